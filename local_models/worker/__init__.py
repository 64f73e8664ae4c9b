"""A child process that holds a model, and what speaks with it.

One worker serves every kernel of this user that asks for the same model: they find it through a
note and a socket in a private folder. It outlives the kernel that started it, ends by itself when
nobody has asked for a while, and the kernel of the operating system frees all it holds however it ends.

place       the private folder, and the names of what lies in it
hold        the lock that a worker keeps as long as it lives
protocol    JSON objects, one a line
sessions    a connection, from its request to its last reply     (in the worker)
server      the loop that loads, generates and ends              (in the worker)
factories   the engines that a worker may build, by name         (in the worker)
start       a worker found, or started
room        idle workers end where another needs their memory
client      `WorkerEngine`: the hosted model as an `Engine`
hosted      a language model, planned and loaded                 (in the worker)
opening     that model for those who ask
embedder    an embedding model, on both sides
deaths      why a worker is gone
recovery    which failures a smaller plan may mend
registry    the workers of a folder: seen, stopped, swept up after
"""
