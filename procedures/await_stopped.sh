# Wait until systemd has stopped oned. Does not lock the host against other runs.
#: use oned
if [ "$(state_of_oned)" = deactivating ]; then
    step "wait until oned has stopped"
    await_stopped
    tell waited yes
else
    tell waited no
fi
