"""Real Debian hosts on one machine: booted with systemd, each with its own disk, network, users and faults.

For people, as root on Debian::

    python3 -m tests.lab up 3 --profile bare      # bare-1 to bare-3, until `down`
    python3 -m tests.lab exec bare-1 -- sudo id   # as the profile's user; without a command, a shell
    python3 -m tests.lab cut bare-2               # and heal, reboot, power-off, start, ip, list
    python3 -m tests.lab down                     # nothing stays

For tests, with the plugin `tests.lab.plugin`::

    def test_a_build_survives_a_reboot(lab, bare_host):
        bare_host.run("sudo apt-get update", "pi")
        bare_host.reboot()
        cronless = lab.host("no-sudo", linger=True)

The rooms: `recipes`, `profiles`, `network` (its first half), `nspawn`, `records`, `ledger` and `machine_facts` decide;
`machine` runs processes; `images`, `boot`, `host`, `lab` and `undo` do. `docs/lab.md` has the rest.
"""
