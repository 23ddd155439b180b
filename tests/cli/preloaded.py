"""What the server of `cli.commands` imports once: every module that a verb may come to need."""

import importlib
import pkgutil

import filelock
import sklearn.datasets
import torch
import torch._dynamo

import unveil
from templates import compile_templates_once
from unveil.registry import HOMES, load_all
from unveil.report import page

torch.set_num_threads(1)
compile_templates_once()
for kind in HOMES:
    load_all(kind)
for module in pkgutil.walk_packages(unveil.__path__, "unveil."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert filelock and sklearn.datasets and torch._dynamo
for template in page.HERE.glob("*.html"):
    page.environment().get_template(template.name)
