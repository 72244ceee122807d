# The image of the agent. It is built on the slave from a release and the wheels that the master sends beside it; where
# the base image has systemctl and journalctl already, nothing is downloaded.
ARG D8_DOCKER_BASE_IMAGE=python:3.11-slim-bookworm

FROM ${D8_DOCKER_BASE_IMAGE} AS libraries
LABEL d8-agent=libraries
COPY wheels /wheels
COPY slave_agent/requirements.txt slave_agent/requirements-psutil.txt /wheels/
RUN pip="$(echo /wheels/pip-*.whl)/pip" && python3 "$pip" install --target /opt/d8/libraries --compile \
        --require-hashes --no-index --find-links /wheels --no-cache-dir --disable-pip-version-check --progress-bar off \
        --root-user-action ignore -r /wheels/requirements.txt -r /wheels/requirements-psutil.txt

FROM ${D8_DOCKER_BASE_IMAGE}
LABEL d8-agent=agent
RUN if ! command -v systemctl >/dev/null || ! command -v journalctl >/dev/null; then \
        apt-get update -q && apt-get install -q -y --no-install-recommends systemd && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=libraries /opt/d8/libraries /opt/d8/libraries
COPY slave_agent /opt/d8/slave_agent
ENV PYTHONPATH=/opt/d8/libraries
WORKDIR /opt/d8
RUN python3 -m compileall -q slave_agent \
    && python3 -c "import a2wsgi, apispec, flask, marshmallow, psutil, uvicorn; import slave_agent.server; print('the agent imports')"
ENV PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["python3", "-m", "slave_agent"]
