# Wait until an oned that is being stopped has ended. Other runs are not kept from this host.
#: use oned
if [ "$(state_of_oned)" = deactivating ]; then
    step "wait until oned has stopped"
    await_stopped
    tell waited yes
else
    tell waited no
fi
