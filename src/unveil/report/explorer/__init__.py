"""What moves about in z: the section of a report, and the page that `unveil explore` serves.

A function of the model (`functions`) becomes a program (`trace`, `program`) that the page runs (`program.js`); the map
and all that is dragged is `explorer.js`. It may import what sections may, and no section.
"""
