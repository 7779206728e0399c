"""How many words of a call survive faults, with this extension and others.

``python -m bench.faults`` (``make bench-faults``).  A run is a client process
of `bench.load` and the devkit's server in another one; all clients get the
same audio at the same times, and the same faults at the same times.

``script``    what is said, and when
``scenarios`` what goes wrong, and when
``client``    one call of a client, in its own environment
``server``    the devkit's server, which obeys lines
``runs``      one run of a client in a scenario
``account``   what became of the words
``page``      the tables, and docs/faults_peers.md
"""
