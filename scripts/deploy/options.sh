# shellcheck shell=sh
# The words of the command line. Sourced by desplegar_agent.sh.

ACTION=install YES=no PORT= BIND= TLS=yes HOSTS= KNOWN_HOSTS= APP_USERS= CERTIFICATE= PRIVATE_KEY= TOKEN_FILE= SHOW_TOKEN=no WHEELS=
CONFIRM_SECONDS=60 STABILISATION_SECONDS=8

usage() {
    say 'Usage: sh %s [WHAT] [OPTIONS]' 'Uso: sh %s [QUÉ] [OPCIONES]' "$SELF"
    say '
  (nothing)            install the agent, or upgrade it to the commit of this folder
  --dry-run            say what would be done, and do nothing
  --status             say what is installed and whether it works
  --rollback           go back to the release before
  --uninstall          remove everything of D8 from this host

  --port N             port of a first installation (7600)
  --bind ADDRESS       address that it listens on (all of them)
  --host NAME          one more name or address that it is called by; may be repeated
  --app-user NAME      one more user that apps may run as (at first: who calls sudo); may be repeated
  --certificate FILE   its certificate and its --key, instead of one that signs itself
  --key FILE
  --http               no TLS: only inside a VPN
  --token-file FILE    where the token is written, or read for the check after an upgrade (%s)
  --show-token         show the token once instead of writing it
  --wheels FOLDER      the Python packages (and pip) as wheels, instead of the package index
  --confirm-timeout S  within so many seconds the former release is back if anything fails (60)
  --stabilisation S    so many seconds the new agent has to stay up (8)
  --yes                never ask: install what is missing, replace the sudoers rule, uninstall
  --lang es|en         language of these messages' '
  (nada)               instala el agente, o lo actualiza al commit de esta carpeta
  --dry-run            dice lo que haría, y no hace nada
  --status             dice qué hay instalado y si funciona
  --rollback           vuelve a la versión anterior
  --uninstall          quita de este equipo todo lo de D8

  --port N             puerto de una primera instalación (7600)
  --bind DIRECCIÓN     dirección en la que escucha (todas)
  --host NOMBRE        otro nombre o dirección con que se le llama; se puede repetir
  --app-user NOMBRE    otro usuario con el que pueden correr apps (al principio: quien llama a sudo); se puede repetir
  --certificate FICHERO  su certificado y su --key, en vez de uno firmado por sí mismo
  --key FICHERO
  --http               sin TLS: solo dentro de una VPN
  --token-file FICHERO dónde se escribe el token, o se lee para comprobar una actualización (%s)
  --show-token         muestra el token una vez en lugar de escribirlo
  --wheels CARPETA     los paquetes de Python (y pip) como wheels, en vez del índice de paquetes
  --confirm-timeout S  en tantos segundos vuelve la versión anterior si algo falla (60)
  --stabilisation S    tantos segundos debe aguantar el agente nuevo (8)
  --yes                no pregunta: instala lo que falta, sustituye la regla de sudoers, desinstala
  --lang es|en         idioma de estos mensajes' "$ETC/operator.token"
}

read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
            --dry-run | --status | --rollback | --uninstall)
                [ "$ACTION" = install ] || wrong_usage "$1"
                ACTION=${1#--}
                ;;
            --yes | -y) YES=yes ;;
            --http) TLS=no ;;
            --show-token) SHOW_TOKEN=yes ;;
            -h | --help) usage; exit 0 ;;
            --port | --bind | --host | --app-user | --certificate | --key | --token-file | --wheels | --confirm-timeout | \
                --stabilisation | --lang)
                [ $# -ge 2 ] || wrong_usage "$1"
                take_value "$1" "$2"
                shift
                ;;
            *) wrong_usage "$1" ;;
        esac
        shift
    done
    [ -n "$CERTIFICATE" ] && [ -z "$PRIVATE_KEY" ] && wrong_usage --certificate
    [ -z "$CERTIFICATE" ] && [ -n "$PRIVATE_KEY" ] && wrong_usage --key
    [ "$TLS" = no ] && [ -n "$CERTIFICATE" ] && wrong_usage '--http --certificate'
    [ "$SHOW_TOKEN" = yes ] && [ -n "$TOKEN_FILE" ] && wrong_usage '--show-token --token-file'
    return 0
}

take_value() { # option, value
    case $1 in
        --port) PORT=$2; is_number "$2" 1 65535 || wrong_usage "$1 $2" ;;
        --confirm-timeout) CONFIRM_SECONDS=$2; is_number "$2" 2 3600 || wrong_usage "$1 $2" ;;
        --stabilisation) STABILISATION_SECONDS=$2; is_number "$2" 0 3600 || wrong_usage "$1 $2" ;;
        --bind) BIND=$2; case $2 in '' | *[!0-9A-Fa-f:.]*) wrong_usage "$1 $2" ;; esac ;;
        --host) HOSTS="$HOSTS $2"; is_host "$2" || wrong_usage "$1 $2" ;;
        --app-user) APP_USERS="$APP_USERS $2"; case $2 in '' | *[!0-9A-Za-z._-]*) wrong_usage "$1 $2" ;; esac ;;
        --certificate) CERTIFICATE=$2 ;;
        --key) PRIVATE_KEY=$2 ;;
        --token-file) TOKEN_FILE=$2 ;;
        --wheels) WHEELS=$2 ;;
        --lang) case $2 in es | en) ;; *) wrong_usage "$1 $2" ;; esac ;;
    esac
}

is_host() { # a name or an address, as far as its characters tell
    case $1 in
        '' | [.-]*) return 1 ;;
        *:*) case $1 in *[!0-9A-Fa-f:.]*) return 1 ;; esac ;;
        *[!0-9A-Za-z.-]*) return 1 ;;
    esac
    [ "${#1}" -le 253 ]
}

is_address() { # of IPv4 or IPv6, as far as its characters tell
    case $1 in
        *:*) return 0 ;;
        *[!0-9.]*) return 1 ;;
    esac
}

is_number() { # text, the lowest, the highest
    case $1 in
        '' | *[!0-9]* | ??????*) return 1 ;;
    esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

wrong_usage() { # the word that is wrong
    stop_with 2 '%s: that is not understood. See --help.' '%s: eso no se entiende. Vea --help.' "$1"
}
