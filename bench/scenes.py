"""What a model of pictures and texts has understood of `scenes`: pictures of texts, texts of pictures, and roles.

    unveil fit scenes --model joint --minutes 20 --out RUN
    python bench/scenes.py RUN --examples 200

Of test scenes whose combination training has seen, and of those that it has not:

painted: the share of texts of which a picture E[picture|z] at z ∼ p(z|text) is read as the scene that the text says, by
    the rules that scenes are drawn by (`unveil.data.scenes.read_scene`).
said: the share of pictures whose likeliest text, of those that the model draws, says the scene.
roles: the share of pictures of which log p(text|picture) prefers "A … B" to "B … A".

Each share comes with its standard error.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

import numpy as np

import unveil
from unveil.data.scenes import Scene, chinese, english, every_scene, read_scene
from unveil.use.both import describe, pictures_of

MOST = 3  # names or words of one thing or relation


def grammar() -> dict[str, Scene]:
    """Every sentence of every scene in both languages."""
    found: dict[str, Scene] = {}
    for scene in every_scene():
        for first in range(MOST):
            for relation in range(MOST):
                for second in range(MOST):
                    for say in (english, chinese):
                        found[say(scene, first, relation, second)] = scene
    return found


def share(hits: Sequence[bool]) -> str:
    p = float(np.mean(hits))
    return f"{100 * p:.1f} ± {100 * math.sqrt(p * (1 - p) / len(hits)):.1f} % of {len(hits)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--examples", type=int, default=200, help="of each kind")
    parser.add_argument("--num-samples", type=int, default=100, help="draws of each log p")
    args = parser.parse_args()
    run, said = unveil.Run.load(args.run), grammar()
    place = run.domain.places
    x = run.data.test.x[:, place["image"]].numpy().reshape(-1, *run.domain.part("image").shape).astype(np.uint8)
    half = len(x) // 2  # test scenes come with seen combinations first
    for name, first in (("seen combinations", 0), ("combinations never seen", half)):
        pictures = x[first : first + args.examples]
        scenes = [read_scene(picture) for picture in pictures]
        told = [scene for scene in scenes if scene is not None]
        painted = [
            read_scene(pictures_of(run.store, english(scene), 2, seed=i, mean=True)[1]) == scene
            for i, scene in enumerate(told)
        ]
        best = describe(run.store, pictures, n=1, num_samples=args.num_samples)
        described = [said.get(found.texts[0]) == scene for found, scene in zip(best, scenes, strict=True)]
        roles = []
        for picture, scene in zip(pictures, told, strict=True):
            both = [english(scene), english(scene.swapped)]
            (ranked,) = describe(run.store, picture[None], n=2, among=both, num_samples=args.num_samples)
            roles.append(ranked.texts[0] == both[0])
        print(f"{name}: painted {share(painted)}; said {share(described)}; roles {share(roles)}", flush=True)


if __name__ == "__main__":
    main()
