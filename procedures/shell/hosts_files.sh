# The files with the front-ends' names, and cloud-init's settings for them.
#: use family
# cloud-init makes /etc/hosts of this template at each boot if it manages it; and the setting that
# keeps it from changing the hostname.
hosts_template() { echo "/etc/cloud/templates/hosts.$family.tmpl"; }
cloud_config=/etc/cloud/cloud.cfg.d/99-opennebula-ha.cfg
keeping_hostname="# Written by opennebula-ha.
preserve_hostname: true"
hosts_files() {
    local file
    for file in /etc/hosts "$(hosts_template)"; do [ ! -e "$file" ] || echo "$file"; done
}
