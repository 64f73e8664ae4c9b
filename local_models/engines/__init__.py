"""One face for all that writes text.

::

    generation      what every engine is asked and gives back: the one seam
    open_engine     the table of engines by the scheme of an address
    model_choice    what `auto:` stands for, and the plan of any address
    chat_template   a conversation as the prompt that a model was trained on
    tokenizer       text to ids and back
    exclusive_lock  one text at a time

To add an engine, write `generation.Engine` and enter it in `open_engine.ENGINES`.
"""
