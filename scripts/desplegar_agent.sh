#!/bin/sh
# Installs or upgrades the D8 agent on this host, without a master; undoes it by itself when the new agent fails.
# Instala o actualiza el agente de D8 en este equipo, sin maestro; lo deshace solo si el agente nuevo falla.
#
#   sh scripts/desplegar_agent.sh [--dry-run | --status | --rollback | --uninstall] [--help]
#
# It lays a release out and lets d8-activate do the rest, as a build from the master does (docs/activation.md).

set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # root's units run what is found: nothing of a user's
export PATH
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE # in a hook of git they name another repository
trap '' PIPE # who stops reading does not stop the work

SELF=$0
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
ROOT=$(dirname -- "$HERE")
OPT=/opt/d8-agent
ETC=/etc/d8-agent

# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/words.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/options.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/checks.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/activation.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/release.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/credentials.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/sudoers.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/actions.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/deploy/looking.sh"

choose_language "$@"
read_options "$@"
check_systemd
become_root "$@"
open_work_folder
find_installed
case $ACTION in
    install) install_agent ;;
    dry-run) tell_plan ;;
    status) tell_status ;;
    rollback) roll_back_by_hand ;;
    uninstall) uninstall_by_hand ;;
esac
