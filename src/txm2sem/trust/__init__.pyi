from .model import Judgement as Judgement, TrustModel as TrustModel
from .opening import Trust as Trust, check_trust as check_trust, open_trust as open_trust
from .sampling import Sampler as Sampler
