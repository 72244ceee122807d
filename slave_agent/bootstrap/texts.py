"""What the bootstrap says on the terminal, in Spanish and English. HTTP answers are English: programs read them."""

from __future__ import annotations

LINE = "=" * 60

TEXTS = {
    "es": {
        "title": "🤖 D8 Slave Server - HTTP API Activo",
        "port": "Puerto",
        "execute": "Ejecutar comando",
        "waiting": "⏳ Esperando conexión desde master...",
        "no_tls": "⚠️  Sin TLS: cualquiera en la red puede leer el token y los comandos.",
        "expired": "⚠️  Este instalador caducó el {expires}; el reloj de esta máquina dice {now}.",
        "began": "empieza",
        "ended": "{state}, código {exit_code}, {seconds} s",
        "picked_up": "retomado, sigue en marcha",
        "stopping": "Deteniendo: se terminan las respuestas en curso; los trabajos siguen.",
        "running": "Ya hay un servidor de esta carpeta en marcha (pid {pid}).",
        "running_hint": "Detenlo con: kill {pid}",
        "taken": "El puerto {port} está ocupado por {owner}.",
        "taken_hint": "Detenlo (por ejemplo: {command}) o genera el instalador con otro puerto (D8_SLAVE_PORT).",
        "port_free": "El puerto {port} está libre.",
        "port_ours": "El puerto {port} lo tiene ya este mismo servidor (pid {pid}).",
        "port_agent": "En el puerto {port} responde ya el agente D8: esta máquina está construida.",
        "started": "El servidor está en marcha (pid {pid}) y responde en:",
        "started_already": "El servidor ya estaba en marcha (pid {pid}).",
        "not_started": "El servidor no arrancó: {reason}",
        "not_started_hint": "Corrige eso y vuelve a intentarlo, o mira slave_server.log.",
        "no_answer": "no responde en {seconds:.0f} s",
        "process": "el proceso {pid} ({command}), usuario {user}",
        "someone": "un proceso del usuario {user}; para ver cuál: sudo ss -ltnp 'sport = :{port}'",
        "nobody": "un proceso que no se puede identificar; míralo con: sudo ss -ltnp 'sport = :{port}'",
        "windows_process": "otro proceso; para ver cuál: netstat -ano | findstr :{port}",
        "no_bind": "No se puede escuchar en {bind}:{port}: {reason}.",
        "no_bind_hint": "Revisa «bind» y «port» en config.json.",
        "no_tls_files": "No se pueden usar el certificado y su clave: {reason}.",
        "no_tls_files_hint": "Ejecuta de nuevo el instalador.",
    },
    "en": {
        "title": "🤖 D8 Slave Server - HTTP API Active",
        "port": "Port",
        "execute": "Run a command",
        "waiting": "⏳ Waiting for the master to connect...",
        "no_tls": "⚠️  No TLS: anyone on the network can read the token and the commands.",
        "expired": "⚠️  This installer expired on {expires}; this machine's clock says {now}.",
        "began": "begins",
        "ended": "{state}, exit code {exit_code}, {seconds} s",
        "picked_up": "picked up, still running",
        "stopping": "Stopping: replies in flight are finished; jobs go on.",
        "running": "A server of this folder is running already (pid {pid}).",
        "running_hint": "Stop it with: kill {pid}",
        "taken": "Port {port} is taken by {owner}.",
        "taken_hint": "Stop it (for example: {command}), or generate the installer with another port (D8_SLAVE_PORT).",
        "port_free": "Port {port} is free.",
        "port_ours": "Port {port} is held by this very server (pid {pid}).",
        "port_agent": "The D8 agent answers on port {port} already: this machine is built.",
        "started": "The server is running (pid {pid}) and answers on:",
        "started_already": "The server was running already (pid {pid}).",
        "not_started": "The server did not start: {reason}",
        "not_started_hint": "Mend that and try again, or look at slave_server.log.",
        "no_answer": "no answer within {seconds:.0f} s",
        "process": "process {pid} ({command}), user {user}",
        "someone": "a process of user {user}; to see which: sudo ss -ltnp 'sport = :{port}'",
        "nobody": "a process that can't be identified; see it with: sudo ss -ltnp 'sport = :{port}'",
        "windows_process": "another process; to see which: netstat -ano | findstr :{port}",
        "no_bind": "Can't listen on {bind}:{port}: {reason}.",
        "no_bind_hint": "Check bind and port in config.json.",
        "no_tls_files": "The certificate and its key can't be used: {reason}.",
        "no_tls_files_hint": "Run the install script again.",
    },
}


def say(language: str, name: str, **values: object) -> str:
    """Return a text in the operator's language with its values put in."""
    return TEXTS[language][name].format(**values)


def banner(language: str, port: int, master: str, tls: bool) -> str:
    """Return what the server prints when it begins to listen."""
    lines = [
        LINE,
        say(language, "title"),
        LINE,
        f"{say(language, 'port')}: {port}",
        "Endpoints:",
        "  GET  /api/health  - Health check",
        f"  POST /api/execute - {say(language, 'execute')}",
        LINE,
        "",
        say(language, "waiting"),
        f"   Master: {master}",
    ]
    return "\n".join(lines if tls else [*lines, "", say(language, "no_tls")])
