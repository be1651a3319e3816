from .folder import ImageRun as ImageRun
from .translator import ImageTranslator as ImageTranslator
