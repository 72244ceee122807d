# shellcheck shell=sh
# What is said, in the operator's language. Sourced by desplegar_agent.sh.
# Every text comes twice, English and Spanish, as a format of printf; the formats are ours alone.

LANGUAGE=en

choose_language() { # the words of the command line, before they are checked
    case ${LC_ALL:-${LC_MESSAGES:-${LANG:-}}} in
        es*) LANGUAGE=es ;;
    esac
    previous=
    for word in "$@"; do
        [ "$previous" != --lang ] || LANGUAGE=$word
        previous=$word
    done
    [ "$LANGUAGE" = es ] || LANGUAGE=en
}

say() { # English, Spanish, values; a terminal that is gone stops nothing
    english=$1 spanish=$2
    shift 2
    # shellcheck disable=SC2059  # the text is the format
    case $LANGUAGE in
        es) printf "$spanish\n" "$@" || : ;;
        *) printf "$english\n" "$@" || : ;;
    esac
}

step() { # the same, as the beginning of a step
    printf '\n== ' || :
    say "$@"
}

warn() { # the same, to the error output
    say "$@" >&2
}

stop_with() { # exit code, then as say: what failed and what to do
    code=$1
    shift
    printf '\n' >&2 || :
    say "$@" >&2
    exit "$code"
}

agrees() { # as say, without the question mark: whether the operator says yes
    [ "$YES" = no ] || return 0
    [ -t 0 ] || return 1
    say "$@"
    say '  [y/N]' '  [s/N]'
    read -r answer || return 1
    case $answer in
        y | Y | yes | s | S | si | sí) return 0 ;;
    esac
    return 1
}
