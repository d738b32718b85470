# An unsupported distribution, which is observed only to be refused.
installed_packages() { :; }
installed() { :; }
theirs_here() { :; }
pinned() { :; }
proxy_in_use() { :; }
lock_holder() { return 1; }
