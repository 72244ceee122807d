# shellcheck shell=sh
# What has to be there: systemd, root, Python, venv. Sourced by desplegar_agent.sh.

PYTHON_CHECK='import ssl, sys; sys.exit(sys.version_info < (3, 11))'

check_systemd() {
    [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1 && return 0
    stop_with 4 'systemd does not run on this host: the agent needs it here. Nothing was done.
A slave without systemd is built from the master (option 11), which keeps the agent alive with cron.' \
        'En este equipo no funciona systemd, y el agente lo necesita. No se ha hecho nada.
Un slave sin systemd se construye desde el maestro (opción 11), que mantiene vivo al agente con cron.'
}

become_root() { # the words of the command line
    [ "$(id -u)" -ne 0 ] || return 0
    [ "$ACTION" != dry-run ] || return 0 # it only looks
    command -v sudo >/dev/null 2>&1 ||
        stop_with 4 'This needs root, and there is no sudo. Run it as root.' \
            'Esto necesita root, y no hay sudo. Ejecútelo como root.'
    if [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
        stop_with 4 'This needs root, and sudo asks for a password. Run it in a terminal, or as root.' \
            'Esto necesita root, y sudo pide una contraseña. Ejecútelo en una terminal, o como root.'
    fi
    exec sudo -- /bin/sh "$HERE/desplegar_agent.sh" --lang "$LANGUAGE" "$@"
}

find_python() { # sets PYTHON
    for PYTHON in python3 python3.14 python3.13 python3.12 python3.11; do
        PYTHON=$(command -v "$PYTHON") || continue
        "$PYTHON" -I -c "$PYTHON_CHECK" 2>/dev/null && return 0
    done
    PYTHON=
    return 1
}

check_python() {
    find_python || stop_with 4 'The agent needs Python 3.11 or newer, and this host has %s.
Debian 12 and newer have it: apt-get install python3' 'El agente necesita Python 3.11 o posterior, y aquí hay %s.
Lo tienen Debian 12 y posteriores: apt-get install python3' "$(python3 --version 2>/dev/null || echo -)"
    say 'Python: %s' 'Python: %s' "$("$PYTHON" --version), $PYTHON"
}

has_venv() { # with wheels (pip among them) the interpreter's own ensurepip is not needed
    if [ -n "$WHEELS" ]; then
        [ -n "$(find "$WHEELS" -maxdepth 1 -name 'pip-*.whl' 2>/dev/null)" ]
        return
    fi
    "$PYTHON" -I -c 'import venv, ensurepip' 2>/dev/null
}

check_venv() {
    if [ -n "$WHEELS" ] && ! has_venv; then
        stop_with 4 '%s holds no wheel of pip (pip-*.whl): name the folder with the wheels.' \
            'En %s no hay ningún wheel de pip (pip-*.whl): diga la carpeta de los wheels.' "$WHEELS"
    fi
    has_venv || install_packages python3-venv
    has_venv || stop_with 4 'Python cannot make virtual environments here. Debian: apt-get install python3-venv' \
        'Aquí Python no puede crear entornos virtuales. Debian: apt-get install python3-venv'
}

check_openssl() { # for a certificate that signs itself
    command -v openssl >/dev/null 2>&1 || install_packages openssl
    command -v openssl >/dev/null 2>&1 ||
        stop_with 4 'openssl is missing: install it, or bring a certificate (--certificate, --key).' \
            'Falta openssl: instálelo, o traiga un certificado (--certificate, --key).'
}

install_packages() { # names
    command -v apt-get >/dev/null 2>&1 || return 0
    if ! agrees 'Missing: %s. Install it with apt-get?' 'Falta: %s. ¿Instalarlo con apt-get?' "$*"; then
        stop_with 4 'Missing: %s. Install it: apt-get install %s  (--yes does it)' \
            'Falta: %s. Instálelo: apt-get install %s  (--yes lo hace)' "$*" "$*"
    fi
    say 'Installing %s' 'Instalando %s' "$*"
    apt-get -q -o DPkg::Lock::Timeout=300 update >"$WORK/apt" 2>&1 || :
    DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" \
        >>"$WORK/apt" 2>&1 || tail -n 3 "$WORK/apt" >&2
}

check_names() { # of the users and hosts that were named, while nothing is changed yet
    # shellcheck disable=SC2086  # one word a name
    "$PYTHON" -I -B -c '
import sys
sys.path.insert(0, sys.argv[1])
from slave_agent.activation.apps import check_app_users
from slave_agent.activation.errors import ActivationError
try:
    check_app_users(sys.argv[2:])
except ActivationError as problem:
    sys.exit(f"{problem.message}\n{problem.hint}")' "$ROOT" $APP_USERS 2>"$WORK/said" ||
        stop_with 4 '%s' '%s' "$(cat "$WORK/said")"
    for host in $HOSTS; do
        ! is_address "$host" || "$PYTHON" -I -c 'import ipaddress, sys; ipaddress.ip_address(sys.argv[1])' "$host" \
            2>/dev/null || wrong_usage "--host $host"
    done
}

check_port() { # on a first installation nobody may have it
    "$PYTHON" -I -c '
import errno, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((address, port))
    except OSError as error:
        print(error.strerror)
        sys.exit(4 if error.errno in (errno.EADDRINUSE, errno.EACCES) else 5)' "$BIND" "$PORT" >"$WORK/port" && return 0
    [ $? -ne 5 ] || stop_with 4 '%s is no address of this host that can be listened on: %s
It has: %s. Another one: --bind ADDRESS' '%s no es una dirección de este equipo en la que se pueda escuchar: %s
Tiene: %s. Otra: --bind DIRECCIÓN' "$BIND" "$(tail -n 1 "$WORK/port")" "$ADDRESSES"
    stop_with 4 'Port %s of %s is not to be had: %s
Who has it: ss -ltnp. Another one: --port N' 'El puerto %s de %s no está disponible: %s
Quién lo tiene: ss -ltnp. Otro: --port N' "$PORT" "$BIND" "$(tail -n 1 "$WORK/port")"
}
