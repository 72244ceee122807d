"""What the panel says, in English and Spanish. Pure. What the API says (problems, hints, permissions) is English and
shown as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH, SPANISH = "en", "es"
_TEXTS = {
    "apps": ("Apps", "Apps"),
    "audit": ("Audit log", "Registro de auditoría"),
    "login": ("Log in", "Entrar"),
    "logout": ("Log out", "Salir"),
    "token": ("Token of this slave", "Token de este slave"),
    "token_hint": (
        "The master makes one: python3 start_d8.py trust SLAVE grant NAME --scope operate",
        "El master hace uno: python3 start_d8.py trust SLAVE grant NOMBRE --scope operate",
    ),
    "no_script": ("This panel needs JavaScript.", "Este panel necesita JavaScript."),
    "version": ("version", "versión"),
    "commit": ("commit", "commit"),
    "plain_http": (
        "This slave speaks plain HTTP (D8_TLS=off): whoever is on the way reads the token and what you see here.",
        "Este slave habla HTTP sin cifrar (D8_TLS=off): quien esté en el camino lee el token y lo que se ve aquí.",
    ),
    "no_reboot": (
        "The agent does not survive a reboot of this machine.",
        "El agente no sobrevive a un reinicio de esta máquina.",
    ),
    "may_only": ("This session may", "Esta sesión puede"),
    "loading": ("Loading …", "Cargando …"),
    "no_apps": ("There are no apps on this slave yet.", "Todavía no hay apps en este slave."),
    "name": ("App name", "App"),
    "status": ("Status", "Estado"),
    "pid": ("PID", "PID"),
    "cpu": ("CPU", "CPU"),
    "ram": ("RAM", "RAM"),
    "actions": ("Actions", "Acciones"),
    "start": ("Start", "Iniciar"),
    "stop": ("Stop", "Detener"),
    "restart": ("Restart", "Reiniciar"),
    "start_doing": ("starting …", "iniciando …"),
    "stop_doing": ("stopping …", "deteniendo …"),
    "restart_doing": ("restarting …", "reiniciando …"),
    "no_right": (
        "The token of this session may only look: it has no right to operate apps.",
        "El token de esta sesión solo permite mirar: no tiene derecho a operar apps.",
    ),
    "missing_rights": ("The agent lacks rights on this machine", "Al agente le faltan permisos en esta máquina"),
    "to_mend": ("To mend it, run", "Para arreglarlo, ejecute"),
    "unreachable": ("The slave does not answer.", "El slave no contesta."),
    "retrying": ("What is shown is old; trying again.", "Lo que se ve es antiguo; se intenta de nuevo."),
    "outcome_unknown": (
        "It may have been done all the same: look at the app before you press again.",
        "Puede que se haya hecho igualmente: mire la app antes de volver a pulsar.",
    ),
    "wrong_token": ("The token is wrong.", "El token no es correcto."),
    "token_help": (
        "Use the token of this slave, without spaces. A revoked one opens nothing.",
        "Use el token de este slave, sin espacios. Uno revocado no abre nada.",
    ),
    "too_many": ("Too many wrong tokens from this address.", "Demasiados tokens incorrectos desde esta dirección."),
    "wait": ("Wait {seconds} s, or use the right token.", "Espere {seconds} s, o use el token correcto."),
    "time": ("Time (UTC)", "Hora (UTC)"),
    "who": ("Who", "Quién"),
    "address": ("From", "Desde"),
    "what": ("What", "Qué"),
    "result": ("Result", "Resultado"),
    "newer": ("Newer", "Más recientes"),
    "older": ("Older", "Más antiguas"),
    "newest": ("Newest", "Las últimas"),
    "no_entries": ("Nothing was written down yet.", "Todavía no hay nada anotado."),
    "entries": ("Entries {first} to {last}", "Entradas {first} a {last}"),
    "running": ("running", "en marcha"),
    "crashed": ("crashed", "caída"),
    "failed": ("failed", "fallida"),
    "zombie": ("unmanaged process", "proceso sin servicio"),
    "stopped": ("stopped", "detenida"),
    "starting": ("starting", "iniciando"),
    "restarting": ("restarting", "reiniciando"),
    "stopping": ("stopping", "deteniéndose"),
    "unknown": ("unknown", "desconocido"),
    "right_read": ("look", "mirar"),
    "right_operate": ("operate apps", "operar apps"),
    "right_audit": ("read the audit log", "leer el registro de auditoría"),
}
TEXTS: Mapping[str, Mapping[str, str]] = {
    ENGLISH: {key: english for key, (english, _) in _TEXTS.items()},
    SPANISH: {key: spanish for key, (_, spanish) in _TEXTS.items()},
}


def language_of(accept_language: str, otherwise: str) -> str:
    """Given an Accept-Language header, return which of our languages the browser likes best; `otherwise` where it names
    neither.
    """
    liked = [(_weight(part), part.partition(";")[0].strip().lower()[:2]) for part in accept_language.split(",")]
    known = [(weight, language) for weight, language in liked if language in TEXTS and weight > 0]
    return max(known, key=lambda one: one[0])[1] if known else otherwise


def _weight(part: str) -> float:
    _, _, weight = part.replace(" ", "").partition(";q=")
    try:
        return float(weight) if weight else 1.0
    except ValueError:
        return 0.0
