"""What judges: estimates of log p(x) per example, each with its side and its errors.

They may import the interface (`unveil.model`) and what is below it, and no family. A new estimator is one class in a
file here.
"""
