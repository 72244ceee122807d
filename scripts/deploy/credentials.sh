# shellcheck shell=sh
# The first token and certificate, and what d8-activate is told. Nothing secret in argv or environment. Sourced.

name_host() { # sets ADDRESSES and SLAVE_ID, as the master names its slaves
    ADDRESSES=$(hostname -I 2>/dev/null) || ADDRESSES=
    SLAVE_ID=$(printf '%s\n' "$ADDRESSES" | tr ' ' '\n' | grep -m 1 '^[0-9.]*$' | tr . -) || SLAVE_ID=
    SLAVE_ID=slave-${SLAVE_ID:-$(hostname)}
}

check_credentials() { # what the first ones are going to need, while nothing is changed yet
    if [ -n "$TOKEN_FILE" ] && [ -e "$TOKEN_FILE" ]; then
        stop_with 2 '%s is there already: name a file for the new token, or remove it.' \
            '%s ya existe: diga un fichero para el token nuevo, o bórrelo.' "$TOKEN_FILE"
    fi
    [ -z "$TOKEN_FILE" ] || [ -d "$(dirname -- "$TOKEN_FILE")" ] ||
        stop_with 2 'There is no folder for %s.' 'No existe la carpeta de %s.' "$TOKEN_FILE"
    [ "$TLS" = yes ] || return 0
    if [ -z "$CERTIFICATE" ]; then
        check_openssl
        return 0
    fi
    "$PYTHON" -I -c '
import ssl, sys
ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*sys.argv[1:], password="")' \
        "$CERTIFICATE" "$PRIVATE_KEY" 2>"$WORK/said" && return 0
    stop_with 4 '%s and %s are no certificate with its key: %s' '%s y %s no son un certificado con su clave: %s' \
        "$CERTIFICATE" "$PRIVATE_KEY" "$(tail -n 1 "$WORK/said")"
}

make_credentials() { # the token, and a certificate that signs itself unless one was brought
    step 'Making the token and the certificate' 'Creando el token y el certificado'
    "$PYTHON" -I -c '
import secrets, sys
sys.stdout.write(secrets.token_urlsafe(32))' >"$WORK/token" || return 1
    [ "$TLS" = yes ] || return 0
    if [ -n "$CERTIFICATE" ]; then
        cat -- "$CERTIFICATE" >"$WORK/certificate" && cat -- "$PRIVATE_KEY" >"$WORK/key"
        return
    fi
    {
        printf '[req]\ndistinguished_name=name\nprompt=no\nx509_extensions=server\n[name]\nCN=%s\n' "$SLAVE_ID"
        printf '[server]\nbasicConstraints=critical,CA:false\nextendedKeyUsage=serverAuth\n'
        printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=@names\n[names]\n'
        number=0
        for address in $ADDRESSES 127.0.0.1 ::1; do
            number=$((number + 1))
            printf 'IP.%s=%s\n' "$number" "$address"
        done
        for name in "$(hostname)" "$(hostname).local" localhost $HOSTS; do
            number=$((number + 1))
            kind=DNS
            ! is_address "$name" || kind=IP
            printf '%s.%s=%s\n' "$kind" "$number" "$name"
        done
    } >"$WORK/openssl.cnf"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -config "$WORK/openssl.cnf" \
        -keyout "$WORK/key" -out "$WORK/certificate" >"$WORK/said" 2>&1 && return 0
    PROBLEM=$(say 'The certificate could not be made: %s' 'No se ha podido crear el certificado: %s' "$(tail -n 1 "$WORK/said")")
    return 1
}

write_settings() { # what `install` is told, in $WORK/settings
    if [ -z "$CONFIRMED" ] && [ "${SUDO_USER:-root}" != root ]; then
        APP_USERS="$SUDO_USER $APP_USERS"
    fi
    "$PYTHON" -I - "$WORK" "$SLAVE_ID" "$PORT" "$BIND" "$TLS" "$RELEASE" "$COMMIT" "$BRANCH" "$CONFIRM_SECONDS" \
        "$LANGUAGE" "$HOSTS $KNOWN_HOSTS" "$APP_USERS" >"$WORK/settings" <<'PYTHON'
import hashlib, json, pathlib, sys
work, slave_id, port, bind, tls, release, commit, branch, timeout, language, hosts, users = sys.argv[1:]
def read(name):
    path = pathlib.Path(work, name)
    return path.read_text() if path.exists() else None
token = read("token")
credential = token and {
    "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
    "certificate": read("certificate"),
    "private_key": read("key"),
}
print(json.dumps({
    "scope": "system", "port": int(port), "bind": bind, "slave_id": slave_id, "tls": tls == "yes", "release": release,
    "commit": commit, "branch": branch or None, "bootstrap": None, "rescue": None, "credential": credential or None,
    "confirm_timeout_seconds": int(timeout), "language": language,
    "allowed_hosts": [host for host in hosts.split() if ":" not in host],  # addresses are let in anyway
    "app_users": users.split(),
}))
PYTHON
}

keep_settings() { # an upgrade changes neither port nor name: what the running release says stays
    settings=$OPT/current/agent.json
    for pair in PORT=port BIND=bind; do
        wanted=$(eval "printf '%s' \"\$${pair%%=*}\"")
        found=$(value "$settings" "${pair#*=}")
        [ -z "$wanted" ] || [ "$wanted" = "$found" ] ||
            stop_with 2 'An upgrade cannot change %s (%s). Uninstall it first.' \
                'Una actualización no puede cambiar %s (%s). Desinstálelo antes.' "${pair#*=}" "$found"
        eval "${pair%%=*}=\$found"
    done
    [ -z "$CERTIFICATE" ] ||
        stop_with 2 'The certificate is that of the first installation. Uninstall it first.' \
            'El certificado es el de la primera instalación. Desinstálelo antes.'
    if [ "$(value "$settings" tls)" != true ]; then
        TLS=no
    elif [ "$TLS" = no ]; then
        stop_with 2 'An upgrade cannot change %s (%s). Uninstall it first.' \
            'Una actualización no puede cambiar %s (%s). Desinstálelo antes.' TLS true
    fi
    SLAVE_ID=$(value "$settings" slave_id)
    KNOWN_HOSTS=$("$PYTHON" -I -c 'import json, sys; print(*json.load(open(sys.argv[1]))["allowed_hosts"])' "$settings")
}

tell_unapplied() { # what was asked for, and would come with another release alone
    for host in $HOSTS; do
        case " $KNOWN_HOSTS " in *" $host "*) continue ;; esac
        warn 'Not applied: --host %s. It comes with an upgrade to another commit; into the certificate only after --uninstall.' \
            'No se ha aplicado: --host %s. Llega al actualizar a otro commit; al certificado, solo tras --uninstall.' "$host"
    done
    for user in $APP_USERS; do
        grep -qsx -- "$user" "$ETC/app-users" ||
            warn 'Not applied: --app-user %s. To allow it: echo %s | sudo tee -a %s' \
                'No se ha aplicado: --app-user %s. Para permitirlo: echo %s | sudo tee -a %s' "$user" "$user" "$ETC/app-users"
    done
}

find_token() { # before an upgrade: into $WORK/known-token, if the running agent takes it
    : >"$WORK/known-token"
    file=${TOKEN_FILE:-$ETC/operator.token}
    if [ ! -r "$file" ] || [ -d "$file" ]; then
        [ -z "$TOKEN_FILE" ] || stop_with 2 '%s cannot be read.' 'No se puede leer %s.' "$file"
        return 0
    fi
    if verb "$OPT/control/d8-activate" prove --stabilisation 0 <"$file"; then
        cat "$file" >"$WORK/known-token"
    else
        warn 'The token in %s is not tried on the new release: %s' 'No se prueba el token de %s en la versión nueva: %s' \
            "$file" "${PROBLEM:-}"
    fi
}

keep_token() { # written for root alone before anything is confirmed, unless it is to be shown once
    [ "$SHOW_TOKEN" = no ] || return 0
    file=${TOKEN_FILE:-$ETC/operator.token}
    rm -f "$file.new"
    cat "$WORK/token" >"$file.new" && chmod 600 "$file.new" && mv "$file.new" "$file" && return 0
    PROBLEM=$(say '%s could not be written.' 'No se ha podido escribir %s.' "$file")
    return 1
}

tell_token() {
    if [ "$SHOW_TOKEN" = yes ]; then
        say 'The token, shown this once: %s' 'El token, que solo se muestra esta vez: %s' "$(cat "$WORK/token")"
    else
        say 'The token is in %s (root alone reads it)' 'El token está en %s (solo lo lee root)' \
            "${TOKEN_FILE:-$ETC/operator.token}"
    fi
}
