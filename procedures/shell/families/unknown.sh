# A distribution that is only looked at, to be refused.
installed_packages() { :; }
pinned() { :; }
proxy_in_use() { :; }
