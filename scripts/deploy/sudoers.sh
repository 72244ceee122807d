# shellcheck shell=sh
# The rule `NOPASSWD: /bin/systemctl` that older instructions gave the agent: found, explained, replaced. Sourced.

# Nothing but WHO HOST=(RUNAS) NOPASSWD: systemctl, for one user or group: what else stands in a line is somebody's right.
SUDOERS_RULE='^[[:space:]]*%?[a-z_][a-z0-9_.-]*[[:space:]]+[A-Za-z0-9_.-]+[[:space:]]*=[[:space:]]*'\
'(\([[:space:]]*(ALL|root)[[:space:]]*(:[[:space:]]*(ALL|root)[[:space:]]*)?\)[[:space:]]*)?'\
'NOPASSWD:[[:space:]]*(/usr)?/bin/systemctl[[:space:]]*$'

files_with_rules() { # those that the agent's own rules of what is root find, aliases and includes followed
    "$PYTHON" -I -B -c '
import sys
sys.path.insert(0, sys.argv[1])
from slave_agent.privileged.sudoers_files import sudoers_finding
print(*sudoers_finding()["files"], sep="\n")' "$ROOT" 2>/dev/null
}

lines_without_comments() { # file
    grep -v '^[[:space:]]*#' "$1" 2>/dev/null
}

lines_of() { # rule or rest, file: its lines that are the older instructions' rule, or those that are not; pure
    RULE=$SUDOERS_RULE LC_ALL=C awk -v wanted="$1" '
        { is_rule = !is_continued && $0 ~ ENVIRON["RULE"]; is_continued = /\\\r?$/ }
        is_rule == (wanted == "rule")' "$2"
}

has_rule() { # file: the rule is a line of its own in it
    lines_of rule "$1" | grep -q .
}

replaceable_files() { # those of $found
    printf '%s\n' "$found" | while read -r file; do
        if has_rule "$file"; then printf '%s\n' "$file"; fi
    done
}

tell_longer_rules() { # what nobody but the operator can take apart
    longer=$(files_with_rules | while read -r file; do has_rule "$file" || printf ' %s' "$file"; done)
    [ -z "$longer" ] || say 'Part of a longer rule:%s. Take systemctl out of it by hand, with visudo.' \
        'Es parte de una regla más larga:%s. Quite systemctl de ella a mano, con visudo.' "$longer"
}

look_at_sudoers() { # explains what it finds; replaces it where it may
    found=$(files_with_rules) && [ -n "$found" ] || return 0
    step 'sudo rules for systemctl were found' 'Se han encontrado reglas de sudo para systemctl'
    printf '%s\n' "$found" | while read -r file; do
        rule=$(lines_without_comments "$file" | grep -m 1 -e systemctl -e NOPASSWD) || rule='...'
        printf '  %s: %s\n' "$file" "$rule"
    done
    say 'Such a rule is root for everybody who may use it: "sudo systemctl edit" writes a unit that runs anything as root,
"sudo systemctl link" takes one from any folder, and the pager of "sudo systemctl status" opens a shell (!sh).
The agent needs none: it asks the root helper, which knows fixed verbs alone.' \
        'Una regla así es root para quien la tenga: «sudo systemctl edit» escribe una unidad que ejecuta lo que sea como root,
«sudo systemctl link» la toma de cualquier carpeta, y el paginador de «sudo systemctl status» abre una shell (!sh).
El agente no necesita ninguna: pide las cosas al ayudante de root, que solo sabe unas acciones fijas.'
    [ "${1:-}" = replace ] || return 0
    replaceable=$(replaceable_files)
    if [ -z "$replaceable" ]; then
        tell_longer_rules
        return 0
    fi
    if ! agrees 'Remove it now? A copy is kept.' '¿Quitarla ahora? Se guarda una copia.'; then
        say 'It stays. To remove it: run this again with --yes, or visudo.' \
            'Se queda. Para quitarla: repita esto con --yes, o visudo.'
        return 0
    fi
    printf '%s\n' "$replaceable" >"$WORK/rules"
    while read -r file; do
        replace_rule "$file"
    done <"$WORK/rules"
    tell_longer_rules
}

replace_rule() { # file: its lines without the rule; visudo has the first word and the last one
    if ! visudo -c -q >/dev/null 2>&1; then
        warn 'visudo already finds a mistake in the sudoers files: mend it first (visudo -c). Nothing was changed.' \
            'visudo ya encuentra un error en los ficheros de sudoers: arréglelo antes (visudo -c). No se ha cambiado nada.'
        return 0
    fi
    kept=/var/backups/d8-sudoers-$(date +%Y%m%d-%H%M%S)
    mkdir -p "$kept"
    copy=$kept/$(basename "$1")
    cp -p "$1" "$copy"
    if ! lines_of rest "$1" >"$WORK/sudoers" || ! chmod 440 "$WORK/sudoers" ||
        ! visudo -c -q -f "$WORK/sudoers" >/dev/null 2>&1; then
        warn 'visudo refuses %s without the rule: it stays as it was.' 'visudo rechaza %s sin la regla: se queda como estaba.' "$1"
        return 0
    fi
    if [ "$1" != /etc/sudoers ] && ! grep -q '^[[:space:]]*\([^#[:space:]]\|#[-0-9]\|#include\)' "$WORK/sudoers"; then
        rm -f "$1" # nothing but comments would be left
    else
        cp "$WORK/sudoers" "$1.d8" && chmod 440 "$1.d8" && mv "$1.d8" "$1"
    fi
    if visudo -c -q >/dev/null 2>&1; then
        say 'Removed from %s; the copy is %s' 'Quitada de %s; la copia es %s' "$1" "$copy"
    else
        cp -p "$copy" "$1"
        warn 'visudo found a mistake afterwards: %s is as it was before.' 'visudo encontró un error después: %s está como antes.' "$1"
    fi
}
