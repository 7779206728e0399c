"""Many calls in one process: what they cost, and how long they take.

``python -m bench.load`` (``make bench``) runs the whole extension on a TEN
host, on the stand-in and on the real runtime where that is importable;
``--peers`` (``make bench-peers``) the clients of others on the same feed.
Each measurement is a process of its own, beside a scripted service in
another one; the clock of all is the machine's monotonic one.

``plan``     what each call says, and when
``speech``   makes a plan of recordings
``service``  takes audio, and notes when; says words by the plan
``feed``     frames in real time, and what is seen meanwhile
``on_ten``   the extension, the floor or nobody, on a TEN host
``plain``    the floor, nobody or others' clients, without a host
``others``   the clients of others, one call each
``peers``    the environments of others' clients
``runs``     starts the processes of a measurement
``figures``  what their notes mean
``report``   tables, plots, and docs/performance.md
``profile``  what each stage of a call takes (a command of its own)
``profiled`` the calls of ``on_ten`` with a clock around each stage
"""
