"""What the install script for Windows says where it differs from the one for Linux, in Spanish and English."""

from __future__ import annotations

from d8.installers.texts import ENGLISH, SPANISH

SPANISH_ON_WINDOWS = {
    "about": "Prepara este Windows para que el master ejecute comandos en él.",
    "never_run": "Nunca se ha ejecutado en un Windows real: se comprueba por reglas y con Python en Linux.",
    "usage": "Uso: install_slave_....bat [--start] [--uninstall] [--dir CARPETA] [--help]",
    "help_start": "--start        además lo inicia; sigue en marcha al cerrar la ventana, no tras un reinicio",
    "clock_behind": "AVISO: el reloj de esta máquina dice %s, antes de que se generara este instalador (%s): está mal. "
    "Se continúa; ponlo en hora con: w32tm /resync",
    "clock_expired_hint": "Genera otro en el master (opción 10). Si el reloj está mal: w32tm /resync",
    "python_missing": "No se encuentra Python 3.9 o posterior (se probó «py -3» y «python»).",
    "python_missing_hint": "Instálalo y ejecuta de nuevo este archivo:",
    "not_private": "AVISO: no se pudieron restringir los permisos de %s: otros usuarios podrían leer la clave.",
    "firewall": "Si el master no llega hasta aquí, abre el puerto (consola de administrador):",
    "help_uninstall": "--uninstall    detiene el servidor y sus trabajos, y borra su carpeta",
    "agent_hint": "Vuelve a construirla desde el master (opción 11), o quítala allí antes (opción 16).",
    "only_commands": "En Windows el master puede ejecutar comandos, pero no construir un slave: el agente necesita "
    "systemd. Para un slave, usa WSL 2 (wsl --install) y el instalador .sh dentro.",
    "still_old": "El servidor en marcha usa todavía los archivos anteriores. Para reiniciarlo: %s",
    "remove_failed": "No se pudo borrar %s: cierra lo que lo use y repite.",
}

ENGLISH_ON_WINDOWS = {
    "about": "Prepares this Windows so that the master can run commands on it.",
    "never_run": "It was never run on a real Windows: it is checked by rules, and with Python on Linux.",
    "usage": "Usage: install_slave_....bat [--start] [--uninstall] [--dir FOLDER] [--help]",
    "help_start": "--start        starts it too; it goes on when the window is closed, not after a reboot",
    "clock_behind": "WARNING: the clock of this machine says %s, before this installer was made (%s): it is wrong. "
    "Going on; set it with: w32tm /resync",
    "clock_expired_hint": "Generate another one on the master (option 10). If the clock is wrong: w32tm /resync",
    "python_missing": "Python 3.9 or later was not found (tried: py -3, python).",
    "python_missing_hint": "Install it and run this file again:",
    "not_private": "WARNING: the permissions of %s could not be narrowed: other users may be able to read the key.",
    "firewall": "If the master can't reach this machine, open the port (in an administrator's console):",
    "help_uninstall": "--uninstall    stops the server and its jobs, and removes its folder",
    "agent_hint": "Build it again from the master (option 11), or remove it there first (option 16).",
    "only_commands": "On Windows the master can run commands but not build a slave: the agent needs systemd. "
    "For a slave, use WSL 2 (wsl --install) and the .sh installer inside it.",
    "still_old": "The running server still uses the old files. To restart it: %s",
    "remove_failed": "%s could not be removed: close what uses it and run this again.",
}

WINDOWS_TEXTS = {"es": {**SPANISH, **SPANISH_ON_WINDOWS}, "en": {**ENGLISH, **ENGLISH_ON_WINDOWS}}
