"""Networks: encoders, decoders and their blocks.

They may import distributions, data and what is below them. A new network is one class in a file here, registered as
"encoder" or "decoder".
"""
