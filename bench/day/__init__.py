"""python -m bench.day: a simulated day of many calls, and what a service and a
fleet see of it.

``plan``    when calls come and how long they take; when the service is out
``calls``   the calls of the day on one time line
``report``  what happened
"""
