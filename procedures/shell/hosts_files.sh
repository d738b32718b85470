# The files that the front-ends' names are in, and cloud-init's part in them.
#: use family
# Where cloud-init manages /etc/hosts it makes it of this at each boot; and what keeps it from setting
# the hostname.
hosts_template() { echo "/etc/cloud/templates/hosts.$family.tmpl"; }
cloud_config=/etc/cloud/cloud.cfg.d/99-opennebula-ha.cfg
keeping_hostname="# Written by opennebula-ha.
preserve_hostname: true"
hosts_files() {
    local file
    for file in /etc/hosts "$(hosts_template)"; do [ ! -e "$file" ] || echo "$file"; done
}
