"""The families of models: a file or a folder for each, which the registry finds by itself.

A family imports the interface (`unveil.model`), `shared` and what is below them, and never another family. A new one is
a class with the decorator `register("model", name)`, in a file of its own here.
"""
