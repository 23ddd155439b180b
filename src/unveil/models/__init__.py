"""The families of models: a file or a folder for each, which the registry finds by itself.

A family imports the interface and what families share (`unveil.model`), and what is below them; never another family.
A new one is a class with the decorator `register("model", name)`, in a file of its own here.
"""
