from .bootstrap import (
    LEVEL as LEVEL,
    RESAMPLES as RESAMPLES,
    Interval as Interval,
    Resampling as Resampling,
    weighted_mean as weighted_mean,
)
from .calibration import (
    CalibrationCurve as CalibrationCurve,
    Reliability as Reliability,
    Sparsification as Sparsification,
    SpreadCounts as SpreadCounts,
    VarianceCalibration as VarianceCalibration,
)
from .continuity import (
    Continuity as Continuity,
    ContinuitySums as ContinuitySums,
    adjacent_difference as adjacent_difference,
    autocorrelation as autocorrelation,
)
from .degradation import TERMS as TERMS, RidgeSums as RidgeSums, degradation_terms as degradation_terms
from .draws import DrawInterval as DrawInterval
from .front import front_of as front_of
from .image import (
    MIN_REGION as MIN_REGION,
    ms_ssim as ms_ssim,
    pearson as pearson,
    psnr as psnr,
    scales_of as scales_of,
    TrueImage as TrueImage,
    ssim as ssim,
)
from .masked import correlations as correlations, gaussian as gaussian, gaussian_over as gaussian_over
from .noise import ROUNDING as ROUNDING, UNEVEN_NOISE as UNEVEN_NOISE, noise_level as noise_level
from .outliers import Normality as Normality
from .overlap import (
    CommonArea as CommonArea,
    Landmarks as Landmarks,
    LikelyShift as LikelyShift,
    Pixels as Pixels,
    common_area as common_area,
    inner as inner,
    landmark_spacing as landmark_spacing,
    likely_shifts as likely_shifts,
)
from .perceptual import feature_distance as feature_distance
from .periods import (
    REFERENCE_THRESHOLD as REFERENCE_THRESHOLD,
    RESOLUTION_THRESHOLD as RESOLUTION_THRESHOLD,
    finest_period as finest_period,
)
from .probabilities import (
    ClassCalibration as ClassCalibration,
    ClassReliability as ClassReliability,
    ProbabilityCounts as ProbabilityCounts,
    ReliabilityCurve as ReliabilityCurve,
    share_errors as share_errors,
)
from .registration import (
    Agreement as Agreement,
    Displacement as Displacement,
    Edges as Edges,
    edges as edges,
    near_lags as near_lags,
)
from .repeats import further_of_repeats as further_of_repeats
from .repeats import mean_of_repeats as mean_of_repeats
from .rock import (
    PixelPairs as PixelPairs,
    chord_lengths as chord_lengths,
    euler_density as euler_density,
    mean_chord_length as mean_chord_length,
    phase_fraction as phase_fraction,
    quads as quads,
    specific_perimeter as specific_perimeter,
    two_point_correlation as two_point_correlation,
)
from .seams import SeamSums as SeamSums
from .segmentation import (
    accuracy as accuracy,
    class_summaries as class_summaries,
    confusion_matrix as confusion_matrix,
    dice as dice,
    iou as iou,
    mean_present as mean_present,
    pooled as pooled,
    row_shares as row_shares,
)
from .spectra import (
    GRID_FREQUENCIES as GRID_FREQUENCIES,
    Spectrum as Spectrum,
    Transformed as Transformed,
    compare_spectra as compare_spectra,
    deviation_db as deviation_db,
    fourier_ring_correlation as fourier_ring_correlation,
    grid_power as grid_power,
    noise_floor_frequency as noise_floor_frequency,
    power_spectrum as power_spectrum,
    resolution as resolution,
)
from .summary import Summary as Summary
from .textures import FEATURES as FEATURES, texture as texture
