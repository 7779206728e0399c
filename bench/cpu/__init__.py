"""What a client costs: CPU per second of audio and stream.

``python -m bench.cpu`` runs each client in a process of its own, fed with the
same frames in real time, against one scripted service in another process.

``service``  a turn of every two seconds of audio, whatever it is
``clients``  the clients that are compared, and the process that measures one
"""
