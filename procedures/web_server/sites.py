"""The configuration of a web server in front of FireEdge, with TLS for clients. Pure."""

from opennebula import ports
from opennebula.zone import in_url
from procedures.specs import WebSpec

_HEADER = "# Written by opennebula-ha: opennebula-ha:ssl.\n"
_BEHIND = f"127.0.0.1:{ports.FEATURES['gui']}"

_APACHE = """\
<VirtualHost *:80>
    ServerName {first}{aliases}
    Redirect permanent / https://{first}/
</VirtualHost>

<VirtualHost *:443>
    ServerName {first}{aliases}

    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateKeyFile {key}
    SSLCertificateFile {certchain}
    Header always set Strict-Transport-Security "max-age=15768000"

    # Images are sent through here, too.
    LimitRequestBody 0
    ProxyTimeout 600
    ProxyPreserveHost on
    RequestHeader set X-Forwarded-Proto "https"

    RedirectMatch ^/$ /fireedge
    RewriteEngine on
    RewriteCond %{{HTTP:Upgrade}} =websocket [NC]
    RewriteRule ^/fireedge/?(.*) ws://{behind}/fireedge/$1 [P,L]
    ProxyPass /fireedge http://{behind}/fireedge
    ProxyPassReverse /fireedge http://{behind}/fireedge
</VirtualHost>
"""

_NGINX = """\
server {{
    listen 80;{listen_80}
    server_name {names};
    return 301 https://$host$request_uri;
}}

server {{
    listen 443 ssl;{listen_443}
    server_name {names};

    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate_key {key};
    ssl_certificate {certchain};
    add_header Strict-Transport-Security "max-age=15768000" always;
    server_tokens off;

    # Images are sent through here, too.
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_read_timeout 600s;
    proxy_send_timeout 600s;

    location = / {{
        return 301 https://$host/fireedge;
    }}

    location /fireedge {{
        proxy_pass http://{behind};
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_of_upgrade;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
    }}
}}

map $http_upgrade $connection_of_upgrade {{
    default upgrade;
    '' close;
}}
"""


def site(spec: WebSpec) -> str:
    """Return the configuration file of the site."""
    names = [in_url(name) for name in spec.names]
    first, *others = names
    # Apache also listens on IPv6 by default. nginx must be configured to, and then needs IPv6.
    has_ipv6 = names != list(spec.names)
    text = {"apache": _APACHE, "nginx": _NGINX}[spec.server]
    return _HEADER + text.format(
        first=first,
        aliases=f"\n    ServerAlias {' '.join(others)}" if others else "",
        names=" ".join(names),
        listen_80="\n    listen [::]:80;" if has_ipv6 else "",
        listen_443="\n    listen [::]:443 ssl;" if has_ipv6 else "",
        key=spec.key,
        certchain=spec.certchain,
        behind=_BEHIND,
    )
