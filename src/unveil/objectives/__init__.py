"""What is maximised: short functions of a model's terms. No objective knows which model it has.

They may import the interface (`unveil.model`) and what is below it, and no family. A new objective is one class in a
file here.
"""

from .aggregate import BetaTcvae as BetaTcvae
from .aggregate import Mmd as Mmd
from .base import Loss as Loss
from .base import Objective as Objective
from .base import rate_and_distortion as rate_and_distortion
from .elbo import BetaElbo as BetaElbo
from .elbo import Elbo as Elbo
from .floors import FreeBits as FreeBits
from .floors import MinRate as MinRate
from .importance import Ciwae as Ciwae
from .importance import Iwae as Iwae
from .importance import Renyi as Renyi
from .pathwise import Dreg as Dreg
from .pathwise import Stl as Stl
from .score import Rloo as Rloo
from .score import WakeSleep as WakeSleep
