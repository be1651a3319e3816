"""Where not to believe a prediction: its uncertainty, contradictions to the TXM, places unlike those of training."""

from txm2sem.trust.model import Judgement, TrustModel
from txm2sem.trust.opening import Trust, check_trust, open_trust
from txm2sem.trust.sampling import Sampler

__all__ = ["Judgement", "Sampler", "Trust", "TrustModel", "check_trust", "open_trust"]
