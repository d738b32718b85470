# The files with the front-ends' names, and cloud-init's settings for them.
#: use blocks family
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
# What others have in a file, without these names in lines that give them another IPv4 address. As
# for glibc, their case does not matter, and ::1 is 127.0.0.1.
without_names() { # FILE, lines ADDRESS NAME, the host's own name
    without_block "$1" | awk -v entries="$2" -v own="$3" '
        BEGIN {
            own = tolower(own)
            # What cloud-init writes in their place.
            place["{{fqdn}}"] = own
            place["{{hostname}}"] = substr(own, 1, index(own ".", ".") - 1)
            count = split(entries, words, /[ \n]/)
            for (i = 1; i < count; i += 2) {
                known = tolower(words[i + 1])
                at[known] = words[i]
                if (index(known, own ".") == 1) place["{{fqdn}}"] = known
            }
        }
        {
            line = $1
            wrong = 0
            is_ipv4 = tolower($1) ~ /^([0-9.]+|(0*:)+0*1|::ffff:[0-9.]+)$/
            for (i = 2; i <= NF && $i !~ /^#/; i++) {
                known = $i in place ? place[$i] : tolower($i)
                if (is_ipv4 && known in at && at[known] != $1) wrong = 1
                else line = line " " $i
            }
            if (!wrong) print
            else if (line != $1) print line
        }'
}
