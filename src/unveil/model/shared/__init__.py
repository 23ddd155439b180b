"""What several families share: labels, scaling of x, default networks, and data for the report's figures.

It imports the interface and what is below it, and no family. What a second family needs of the first moves here.
"""
