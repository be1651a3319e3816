"""Every option of every command, once: name, type, limits, default, help."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from txm2sem.errors import UserError
from txm2sem.options.base import (
    Options,
    beside,
    between,
    fixed,
    may_be_address,
    name_of_path,
    name_of_run,
    no_place,
    of_models,
    of_modes,
)

ModelName = Literal["feedforward", "srcnn", "pix2pix", "srgan", "repair", "segmentation"]
GeneratorName = Literal[
    "resnet_9blocks",
    "resnet_6blocks",
    "sr_resnet_9blocks",
    "sr_resnet_6blocks",
    "unet_256",
    "unet_128",
    "residual_unet",
    "fine_unet",
    "textured_unet",
    "sampled_unet",
    "linearfilt",
    "gammafilt",
]
DiscriminatorName = Literal["basic", "n_layers", "pixel"]
FigureKind = Literal["png", "svg", "pdf"]
PageFigureKind = Literal["none", "png", "svg", "pdf"]
NormName = Literal["instance", "batch", "none"]
InitName = Literal["normal", "xavier", "kaiming", "orthogonal"]
GanMode = Literal["vanilla", "lsgan", "wgangp"]
RegressionName = Literal["L1", "L2", "laplace"]
SegmentationInput = Literal["sem", "txm", "semfake"]
Preprocessing = Literal["none", "resize_and_crop", "crop", "scale_width", "scale_width_and_crop"]
LearningRatePolicy = Literal["linear", "step", "plateau", "cosine"]
Precision = Literal["fp32", "bf16"]
Phase = Literal["train", "val", "test"]
OutputDtype = Literal["uint8", "uint16", "float32"]
Statistics = Literal["frozen", "volume"]
BackendName = Literal["torch", "openvino"]
SpreadName = Literal["auto", "dropout", "checkpoints", "scale"]
RecipeName = Literal["none", "translate", "texture", "sample", "phases"]
GreyMatching = Literal["auto", "match", "as_is"]
TransformName = Literal["none", "shift", "rigid", "similarity", "affine", "smooth"]
MissingVoxels = Literal["refuse", "black"]
MeasureMethod = Literal["auto", "labels", "thresholds", "otsu"]

TRANSLATION_MODELS = ("feedforward", "srcnn", "pix2pix", "srgan")
"""Models that predict the SEM from the TXM."""

SCALE_MODELS = ("feedforward", "srcnn")
"""Those of them that can predict the scale of their error, too."""

ADVERSARIAL_MODELS = ("pix2pix", "srgan", "repair")
"""Models whose generator learns from a discriminator, which learns from it."""


MOST = 10**9
"""The largest number of things that are counted: patches, pixels of an area, voxels."""

MOST_EPOCHS = 10**6

MOST_WEIGHT = 1e9
"""The largest weight of a term of the objective."""

LONGEST_SIDE = 2**14
"""The longest side of a patch [pixels]."""

FARTHEST = 2**16
"""The largest distance in an image [pixels]."""


@dataclass(frozen=True)
class ModelPlaceOptions(Options):
    """Where models are."""

    checkpoints_dir: Path = Path("./checkpoints")
    """models are saved here, in a folder of the experiment's name"""


@dataclass(frozen=True)
class PlaceOptions(ModelPlaceOptions):
    """Where runs are."""

    results_dir: Path = Path("./results")
    """test results are saved here, in a folder of the experiment's name"""


@dataclass(frozen=True)
class SeedOptions(Options):
    """What is drawn at random."""

    seed: int = between(0, 2**63 - 1, 0)
    """seed of everything random; two runs with the same seed on the same machine are equal"""


@dataclass(frozen=True)
class TrainedOptions(ModelPlaceOptions):
    """The model, and the machine that computes it."""

    name: str = name_of_run("experiment_name")
    """name of the experiment; decides where models and results are stored. To use a model it may be a file, NAME.zip,
    that txm2sem export has written"""
    suffix: str = ""
    """appended to the name as _SUFFIX; may hold options in braces, e.g. {model}_{netG}_patch{patch_size}"""
    gpu_ids: str = "auto"
    """GPUs to use, e.g. 0 or 0,1; mps is Apple's, -1 the CPU; auto takes GPU 0 or Apple's where there is one"""
    precision: Precision = "fp32"
    """number format of the arithmetic: fp32, or bf16 (mixed precision: faster, a little less exact; fp32 where the
    processor has no instructions for it)"""


@dataclass(frozen=True)
class ImagesRunOptions(TrainedOptions):
    """The model, the images of its training, and the machine that computes it."""

    dataroot: Path = Path("./images")
    """folder of the images, with subfolders train, val and test"""
    verbose: bool = False
    """print more: the networks with their number of parameters, the device, the images of each split"""


@dataclass(frozen=True)
class VolumeRunOptions(SeedOptions, ImagesRunOptions):
    """The model, the images of its training, and the machine that computes it."""


@dataclass(frozen=True)
class RepairRunOptions(SeedOptions, TrainedOptions):
    """The model, and the machine that computes it."""


@dataclass(frozen=True)
class TestRunOptions(VolumeRunOptions, PlaceOptions):
    """Where things are and which machine does the work."""


@dataclass(frozen=True)
class RunOptions(TestRunOptions):
    """Where things are and which machine does the work."""

    num_threads: int = between(0, 1024, 4)
    """processes that load training patches, at most one per core; 0 loads in the main process"""
    num_nodes: int = between(1, 4096, 1)
    """machines that train together, each with --batch_size patches on each of its --gpu_ids; torchrun or Slurm starts
    the command on each of them"""
    node_timeout: float = between(1, 10**6, 1800)
    """how long processes that train together wait for each other, at the beginning and in each step, before they end
    with an error [s]"""


@dataclass(frozen=True)
class GeneratorOptions(Options):
    """The model and the architecture of its generator."""

    model: ModelName = "pix2pix"
    """feedforward, pix2pix (a GAN): translation; srcnn, srgan (a GAN): super-resolution; repair; segmentation"""
    netG: GeneratorName = "resnet_9blocks"  # noqa: N815 (the seed's flag)
    """architecture of the generator"""
    ngf: int = between(1, 4096, 64)
    """filters of the generator [channels]"""
    input_nc: int = between(1, 1024, 1)
    """channels of the input image; it follows from the data and --context_slices"""
    output_nc: int = between(1, 1024, 1)
    """channels of the output image; with --regression_loss laplace one more, for the scale of its error"""
    norm: NormName = "instance"
    """normalisation layers"""
    no_dropout: bool = False
    """no dropout in the generator"""
    downsample_factor: int = between(1, 64, 1)
    """the TXM is downsampled by this before super-resolution: 2 or 4 with sr_resnet generators, else 1"""
    keep_empty: bool = of_models(False, *TRANSLATION_MODELS)
    """where nothing is imaged over an area of the TXM, grey value 0, the prediction is black"""
    empty_level: str = beside("keep_empty", "auto")
    """what the grey value 0 is for the network, whose black is -1 and white 1, with --keep_empty. auto: found from the
    grey range when training begins; where none is, as with --gamma or --hist_eq, all that is black counts as 0"""

    def check(self) -> None:
        """As `Options.check`."""
        try:
            known = self.level_of_zero is None or math.isfinite(self.level_of_zero)
        except ValueError:
            known = False
        if not known:
            raise UserError(f"--empty_level {self.empty_level}: expected auto, or a number such as -1")

    @property
    def level_of_zero(self) -> float | None:
        """What the grey value 0, where nothing was imaged, is for the network; None: not known."""
        return None if self.empty_level == "auto" else float(self.empty_level)

    @property
    def predicts_scale(self) -> bool:
        """Whether the second output channel is the scale of the error of the first (`--regression_loss laplace`)."""
        return self.model in SCALE_MODELS and self.output_nc == 2

    @property
    def draws_grain(self) -> bool:
        """Whether the generator makes up noise and fine detail, the same wherever the TXM is the same."""
        return self.netG == "textured_unet"

    @property
    def draws_noise(self) -> bool:
        """Whether the generator makes another image from each draw of noise, see `txm2sem.noise`."""
        return self.netG == "sampled_unet"


@dataclass(frozen=True)
class RepairGeneratorOptions(GeneratorOptions):
    """The model and the architecture of its generator."""

    keep_empty: bool = fixed(False)
    empty_level: str = fixed("auto")


@dataclass(frozen=True)
class ModelOptions(GeneratorOptions):
    """The model and the architecture of its networks."""

    netD: DiscriminatorName = "basic"  # noqa: N815
    """architecture of the discriminator: basic is a 70 x 70 PatchGAN, n_layers takes --n_layers_D, pixel sees 1 x 1"""
    ndf: int = between(1, 4096, 64)
    """filters in the discriminator's first convolution [channels]"""
    n_layers_D: int = between(1, 16, 3)  # noqa: N815
    """stride-2 convolutions of the discriminator, with --netD n_layers"""
    init_type: InitName = "normal"
    """initialisation of the weights"""
    init_gain: float = between(0, 1000, 0.02)
    """scaling factor of the normal, xavier and orthogonal initialisations"""
    init_from: str = ""
    """begin with the weights of a trained model: the name of a run in checkpoints_dir, whose latest checkpoint is
    taken; a file of weights (LABEL_net_G.pth) or of a model (.zip); or translate, the model that comes along. What does
    not fit begins anew, and is said"""
    freeze: str = beside("init_from", "")
    """layers of the generator that keep the weights of --init_from: how many of its convolutions, counted from the
    image, or names as in the file, such as enter,encode.0; each with its normalisation, whose statistics stay, too"""


@dataclass(frozen=True)
class ObjectiveOptions(Options):
    """The training objective; which terms a model has is in the help of each."""

    regression_loss: RegressionName = of_models("L1", "feedforward", "srcnn")
    """image similarity: mean absolute (L1) or mean squared (L2) difference; laplace: the model predicts, too, how large
    its error is in each pixel, for --uncertainty (feedforward, srcnn)"""
    lambda_regression: float = of_models(1.0, "feedforward", "srcnn", limits=(0, MOST_WEIGHT))
    """weight of the regression loss (feedforward, srcnn)"""
    lambda_ssim: float = of_models(0.0, "feedforward", "srcnn", limits=(0, MOST_WEIGHT))
    """weight of 1 - SSIM, which keeps contrast that a mean difference alone blurs (feedforward, srcnn)"""
    lambda_spectrum: float = of_models(0.0, *TRANSLATION_MODELS, limits=(0, MOST_WEIGHT))
    """weight of the squared distance of the power spectra of prediction and SEM [(10 dB)^2], which asks for the SEM's
    grain wherever it lies (feedforward, srcnn, pix2pix, srgan)"""
    lambda_crps: float = of_models(0.0, *TRANSLATION_MODELS, limits=(0, MOST_WEIGHT))
    """weight of the continuous ranked probability score of two draws, which is smallest where draws differ from each
    other as the SEM does from them; wants --netG sampled_unet (feedforward, srcnn, pix2pix, srgan)"""
    gan_mode: GanMode = of_models("lsgan", *ADVERSARIAL_MODELS)
    """the adversarial objective (pix2pix, srgan, repair)"""
    lambda_L1: float = of_models(100.0, *ADVERSARIAL_MODELS, limits=(0, MOST_WEIGHT))  # noqa: N815
    """weight of the L1 loss (pix2pix, srgan, repair)"""
    lambda_gp: float = of_models(0.0, *ADVERSARIAL_MODELS, limits=(0, MOST_WEIGHT))
    """weight of the gradient penalty with --gan_mode wgangp; 10 is recommended (pix2pix, srgan, repair)"""
    pool_size: int = of_models(50, *ADVERSARIAL_MODELS, limits=(0, 10000))
    """earlier predictions shown to the discriminator; 0 shows the current one [images] (pix2pix, srgan, repair)"""
    d_condition: bool = of_models(False, "srgan")
    """show the discriminator the TXM together with the SEM (srgan; pix2pix and repair always do)"""
    lambda_img_grad: float = between(0, MOST_WEIGHT, 0.0)
    """weight of the Jacobian penalty, which keeps predictions continuous along z"""
    jacobian_interval: int = between(1, MOST, 1)
    """steps from one evaluation of the Jacobian penalty to the next; it counts so many times then, for the same mean"""
    class_weights: str = of_models("auto", "segmentation")
    """weights W0,W1,W2 of the classes in the loss; auto: 1 / sqrt(share) in the training masks (segmentation)"""


@dataclass(frozen=True)
class ContrastOptions(Options):
    """How the network sees the TXM."""

    patch_size: int = between(1, LONGEST_SIDE, 256)
    """side of the square patches [pixels]"""
    gamma: float = between(0.01, 100, 1.0)
    """power to which the TXM's grey values, scaled to 0-1, are raised; below 1 brightens"""
    hist_eq: float = between(0, 1, 0.0)
    """clip limit of a contrast-limited histogram equalisation of TXM patches, e.g. 0.01; 0 for none"""
    txm_range: str = "auto"
    """grey values LOW,HIGH that become black and white; auto: 0,255 for 8 bits, else measured on the training slices"""


@dataclass(frozen=True)
class SemRangeOptions(Options):
    """Grey values of the SEM."""

    sem_range: str = "auto"
    """grey values LOW,HIGH of the SEM that become black and white, as --txm_range has those of the TXM"""


@dataclass(frozen=True)
class RepairDataOptions(SemRangeOptions, ContrastOptions):
    """How the network sees the images."""

    sem_only: bool = of_models(False, "repair")
    """repair without the TXM, from the SEM around the charged regions alone (repair)"""


@dataclass(frozen=True)
class ImagesDataOptions(ContrastOptions):
    """What the network sees of the TXM."""

    direction: Literal["AtoB", "BtoA"] = of_modes("AtoB", "txm2sem")
    """AtoB predicts the SEM from the TXM, BtoA the TXM from the SEM"""
    context_slices: int = of_modes(0, "txm2sem", "txm2sem3d", "segmentation", limits=(0, 100))
    """TXM slices below, and as many above, that the network sees beside the one it translates, or segments"""
    seg_mode: SegmentationInput = of_models("sem", "segmentation")
    """image to segment: the SEM, the TXM, or the SEM predicted from the TXM by --seg_source (semfake) (segmentation)"""
    seg_source: str = field(default="", metadata={"models": ("segmentation",), "is_name": True})
    """with --seg_mode semfake: name of a trained translation model in checkpoints_dir (segmentation)"""
    sample_name: str = name_of_path()
    """suffix of each image folder (txmNAME, semNAME, ...), so that several samples share one data root"""

    def check(self) -> None:
        """As `Options.check`."""
        if self.context_slices and self.direction != "AtoB":
            raise UserError(
                f"--context_slices {self.context_slices} shows the network neighbouring TXM slices, but --direction "
                f"{self.direction} translates the SEM, of which there are none; leave one of the options out"
            )


@dataclass(frozen=True)
class VolumeDataOptions(SemRangeOptions, ImagesDataOptions):
    """What the network sees of the TXM, and the grey values of the SEM."""


@dataclass(frozen=True)
class DataOptions(VolumeDataOptions, RepairDataOptions):
    """The images and how patches are taken from them."""

    dataset_mode: Literal["txm2sem", "image_repair", "segmentation", "txm2sem3d"] = "txm2sem"
    """txm2sem: pairs to translate; txm2sem3d: a TXM volume, to test; image_repair: SEM to fill; segmentation"""
    num_test: int = between(1, 10**6, 100)
    """fixed patches per evaluation (validation while training, and test)"""
    preprocess: Preprocessing = of_modes("none", "txm2sem")
    """scaling and cropping of patches; none only makes their side a multiple of 4"""
    load_size: int = of_modes(286, "txm2sem", limits=(1, LONGEST_SIDE))
    """side to which --preprocess scales patches first [pixels]"""
    crop_size: int = of_modes(256, "txm2sem", limits=(1, LONGEST_SIDE))
    """side of what --preprocess then cuts out of them, at random in training, else from the centre [pixels]"""
    x_misalign: int = between(-FARTHEST, FARTHEST, 0)
    """columns by which the TXM is shifted against the SEM, to the left where positive [pixels]"""
    y_misalign: int = between(-FARTHEST, FARTHEST, 0)
    """rows by which the TXM is shifted against the SEM, upwards where positive [pixels]"""
    ignore_charged: bool = of_modes(False, "txm2sem", "image_repair")
    """leave charged and empty pixels (0 in TXM or SEM) out of losses and scores, which the original code does not"""
    max_dataset_size: int = between(1, 10**6, 10000)
    """slices of a split that are used at most, the first ones"""
    txm_dir: str = "txm"
    """folder of the TXM images in each split"""
    sem_dir: str = "sem"
    """folder of the SEM images"""
    charge_dir: str = "charge"
    """folder of the masks of charged regions; may be absent"""
    lowdens_dir: str = "lowdensity"
    """folder of the masks of low density regions; may be absent"""
    highdens_dir: str = "highdensity"
    """folder of the masks of high density regions; may be absent"""

    def check(self) -> None:
        """As `Options.check`."""
        super().check()
        source = {"crop": "patch_size", "resize_and_crop": "load_size", "scale_width_and_crop": "load_size"}
        side = source.get(self.preprocess)
        if side and self.crop_size > getattr(self, side):
            raise UserError(
                f"--crop_size {self.crop_size}: expected at most --{side} {getattr(self, side)} with --preprocess "
                f"{self.preprocess}; pass a smaller --crop_size or a larger --{side}"
            )


@dataclass(frozen=True)
class CheckDataOptions(DataOptions):
    """The images and how patches are taken from them."""

    dataset_mode: Literal["txm2sem", "image_repair", "segmentation", "txm2sem3d"] = fixed("txm2sem")
    sem_only: bool = fixed(False)
    seg_mode: SegmentationInput = fixed("sem")
    seg_source: str = fixed("")


@dataclass(frozen=True)
class SamplingOptions(Options):
    """How training patches are drawn."""

    num_train: int = between(1, MOST, 10000)
    """patches per epoch"""
    batch_size: int = between(1, 4096, 1)
    """patches per training step"""
    accumulate: int = between(1, 4096, 1)
    """equal parts in which a step's batch is taken through the networks, for batches larger than the memory; gradients
    are averaged"""
    no_flip: bool = False
    """do not mirror patches left to right at random"""
    all_orientations: bool = False
    """turn patches by quarter turns at random, too: all eight orientations"""
    vary_contrast: float = of_models(0.0, *TRANSLATION_MODELS, "segmentation", limits=(0, 1))
    """show the source of each patch with up to this share more or less contrast, and a quarter of it of the grey range
    brighter or darker, for a model that holds where grey values lie otherwise than in training; 0.25 is much, 0 none"""
    aligned: bool = of_modes(True, "txm2sem")
    """False draws the patches of TXM and SEM from independent places"""
    forgive: float = of_models(0.0, "feedforward", limits=(0, 64))
    """forgive that SEM slices lie up to so far beside their TXM: how far each does is learned, too, and left out of the
    model; wants --all_orientations; 0 for none (feedforward) [pixels]"""
    eval_mode: bool = False
    """train on the places that an evaluation of --num_train patches would take, the same in every epoch"""
    serial_batches: bool = False
    """take the same patches in the same order in every epoch; otherwise each epoch draws new ones"""
    phase: Phase = "train"
    """split to train on"""

    def check(self) -> None:
        """As `Options.check`."""
        size, count = self.batch_size, self.accumulate
        if size % count:
            raise UserError(
                f"--batch_size {size} --accumulate {count}: expected a batch that divides into {count} equal parts, "
                f"found {size} patches; pass a multiple of {count}, such as --batch_size {-(-size // count) * count}"
            )
        if self.forgive and not self.all_orientations:
            raise UserError(
                f"--forgive {self.forgive:g}: expected --all_orientations, without which the network would learn a "
                "shift that all slices have in common; pass it, too"
            )
        if self.forgive and not self.aligned:
            raise UserError(
                f"--forgive {self.forgive:g} --aligned False: expected slices that are nearly aligned, found patches "
                "of TXM and SEM from independent places; leave one of the options out"
            )


@dataclass(frozen=True)
class ScheduleOptions(Options):
    """Length of the training, optimiser and learning rate."""

    niter: int = between(0, MOST_EPOCHS, 100)
    """epochs at the initial learning rate"""
    niter_decay: int = between(0, MOST_EPOCHS, 100)
    """epochs over which the learning rate then falls linearly to zero"""
    lr: float = between(0, 10, 2e-4)
    """initial learning rate of Adam"""
    beta1: float = between(0, 0.9999, 0.5)
    """momentum term of Adam"""
    weight_decay: float = between(0, 1000, 0.0)
    """L2 regularisation of the generator's weights"""
    ema: float = between(0, 0.99999, 0.0)
    """validate and save a running average of the generator's weights, of which a step keeps this share; 0 for none"""
    lr_policy: LearningRatePolicy = "linear"
    """how the learning rate falls; plateau waits for the first validation score (PSNR, mean Dice) to stop rising"""
    lr_decay_iters: int = between(1, MOST_EPOCHS, 50)
    """epochs between the drops of --lr_policy step"""
    epoch_count: int = between(1, MOST_EPOCHS, 1)
    """number of the first epoch, for schedule and file names"""
    time_budget: float = between(0, 10**6, 0.0)
    """time to train in, all sessions together: the schedule is fitted to it, and as many epochs are trained as it has
    room for; 0 for none [minutes]"""
    patience: int = between(0, MOST_EPOCHS, 0)
    """stop after so many epochs without a better validation score (PSNR, mean Dice); 0 for never"""
    continue_train: bool = False
    """go on from the latest checkpoint of this name, exactly where it stopped"""

    def check(self) -> None:
        """As `Options.check`."""
        last = self.niter + self.niter_decay
        if last < self.epoch_count:
            raise UserError(
                f"--niter {self.niter} --niter_decay {self.niter_decay}: expected a last epoch of at least "
                f"--epoch_count {self.epoch_count}, found {last}; pass a larger --niter"
            )
        if self.lr_policy == "cosine" and self.niter == 0:
            raise UserError("--lr_policy cosine falls over --niter epochs: expected 1 or more, found 0")
        if self.lr_policy == "plateau" and self.time_budget > 0:
            raise UserError(
                f"--time_budget {self.time_budget:g} --lr_policy plateau: expected a policy whose length can be "
                "fitted to a time, found one that waits for the validation scores; pass --lr_policy linear, step or "
                "cosine, or leave out --time_budget"
            )


@dataclass(frozen=True)
class SavingOptions(Options):
    """What is saved and shown, and how often."""

    save_latest_freq: int = between(1, MOST, 5000)
    """patches between savings of the latest model"""
    save_epoch_freq: int = between(1, MOST_EPOCHS, 5)
    """epochs between checkpoints that are kept"""
    save_by_iter: bool = False
    """also keep a checkpoint iter_N at each --save_latest_freq"""
    print_freq: int = between(1, MOST, 100)
    """patches between the loss lines on the console and in loss_log.txt"""


@dataclass(frozen=True)
class DisplayOptions(Options):
    """Pictures of the training: a page in checkpoints_dir/NAME/web, and windows of a visdom server."""

    no_html: bool = False
    """write no page of training images and losses"""
    update_html_freq: int = between(1, MOST, 1000)
    """patches between the images added to the page; one is added at each epoch's end besides"""
    display_winsize: int = between(16, 4096, 256)
    """width at which the page and visdom show an image [pixels]"""
    display_id: int = between(-1, 10**6, 0)
    """first window on a visdom server (extra `visdom`): losses there, images in the next; 0: no visdom"""
    display_server: str = no_place("http://localhost")
    """address of the visdom server"""
    display_port: int = between(1, 65535, 8097)
    """port of the visdom server"""
    display_env: str = "main"
    """environment of the visdom server that the windows are in"""
    display_freq: int = between(1, MOST, 400)
    """patches between the updates of the visdom windows"""
    display_ncols: int = between(0, 100, 4)
    """images per row of one visdom window; 0 gives each image a window"""


@dataclass(frozen=True)
class TestOptions(Options):
    """What is tested and how."""

    epoch: str = name_of_path("latest")
    """which checkpoint to load: an epoch's number, latest, or best (of the validation)"""
    load_iter: int = between(0, MOST * MOST_EPOCHS, 0)
    """load the checkpoint iter_N instead, where N > 0"""
    phase: Phase = "test"
    """split to test on"""
    ntest: int = between(0, 10**6, 0)
    """test at most this many of the --num_test patches, or of the slices; 0 for all"""
    full_slice: bool = of_modes(False, "txm2sem")
    """test whole slices instead of patches"""
    eval: bool = False
    """freeze normalisation statistics and dropout; without it both depend on the patch, as in the original code"""
    backend: BackendName = of_models("torch", *TRANSLATION_MODELS)
    """what computes the network: torch, or openvino (extra openvino): 8-bit integers on the CPU, faster"""
    aspect_ratio: float = between(0.01, 100, 1.0)
    """height : width of a pixel in the saved images, which are stretched along the one or the other; scores are not"""


@dataclass(frozen=True)
class VolumeOptions(Options):
    """Which cube of the full TXM stack is translated, with --dataset_mode txm2sem3d; its side is --patch_size."""

    x_ind: int = of_modes(-1, "txm2sem3d", limits=(-1, FARTHEST))
    """first column of the cube [pixels]; -1 draws it from the seed"""
    y_ind: int = of_modes(-1, "txm2sem3d", limits=(-1, FARTHEST))
    """first row of the cube [pixels]; -1 draws it from the seed"""
    z_ind: int = of_modes(0, "txm2sem3d", limits=(0, 10**6))
    """first slice of the cube, by its position in the stack, from 0"""
    save_name: str = field(default="test", metadata={"modes": ("txm2sem3d",), "is_name": True})
    """the results are volume_pred_SAVENAME and so on"""
    save_txm: bool = of_modes(True, "txm2sem3d")
    """save the cube of the TXM, too, and that of the SEM where it is known; --save_txm False leaves them out"""


@dataclass(frozen=True)
class VolumeInputOptions(Options):
    """A volume of any size and format."""

    dataset: str = ""
    """path of the data set inside an HDF5 file or a Zarr group; may be left out where there is only one"""
    axes: str = ""
    """axes of the stored volume in its order, e.g. zyx or xyz; may be left out where the file says them"""
    voxel_size: str = ""
    """size of a voxel, one number or Z,Y,X [nm]; may be left out where the file says it"""
    roi: str = ""
    """the part that is meant, Z0:Z1,Y0:Y1,X0:X1 [voxels]; each bound may be left out"""
    missing: MissingVoxels = "refuse"
    """where voxels of an HDF5 file or a Zarr folder are not stored: refuse it, or take them for black, as they may be
    where its writer leaves out what is black; how many there are is said"""


@dataclass(frozen=True)
class SharedWorkOptions(Options):
    """The memory, and the processes that share the work."""

    memory: str = "auto"
    """memory to use in all, e.g. 8GB; auto: a quarter of the machine's"""
    workers: int = between(0, 1024, 0)
    """processes on this machine that share the work, and the memory with this one; 0 computes in this one"""
    scheduler: str = no_place()
    """address of a dask scheduler whose workers share the work, e.g. tcp://10.0.0.5:8786; they see the same files. Who
    reaches that address can run programs as its owner: tls:// and dask's own settings keep others out"""
    dry_run: bool = False
    """print the plan (what is done in which parts, memory, time) and stop"""

    def check(self) -> None:
        """As `Options.check`."""
        if self.workers and self.scheduler:
            raise UserError(
                "--workers starts processes on this machine, --scheduler takes those of a cluster; pass one of them"
            )


@dataclass(frozen=True)
class WholeVolumeOptions(SharedWorkOptions, VolumeInputOptions):
    """A TXM volume of any size and format, and how its prediction is computed and written."""

    truth: str = may_be_address(models=TRANSLATION_MODELS)
    """SEM volume of the same voxels, where it is known, or its address: the prediction is scored against it"""
    dtype: OutputDtype = of_models("uint8", *TRANSLATION_MODELS)
    """type of the predicted voxels"""
    grey_range: str = of_models("auto", *TRANSLATION_MODELS)
    """SEM grey values LOW,HIGH that become the smallest and largest integer; auto: those of the model. float32 has the
    SEM's grey values themselves"""
    probabilities: bool = of_models(False, "segmentation")
    """write how likely each class is, too: a channel a class behind the image; 255 is certain (segmentation)"""
    z_blend: bool = False
    """translate along y and along x, too, and take the mean of the three: more continuous, three times the work"""
    statistics: Statistics = "frozen"
    """statistics of normalisation: frozen, those of training; volume, estimated once on it (instance norm: always)"""
    backend: BackendName = of_models("torch", *TRANSLATION_MODELS)
    """what computes the network: torch, or openvino (extra openvino): 8-bit integers on the CPU, faster"""
    halo: int = between(-1, LONGEST_SIDE, -1)
    """margin of a tile that is computed and thrown away [pixels]; -1: the network's receptive field, with which tiles
    cannot be seen; less is faster"""
    epoch: str = name_of_path("latest")
    """which checkpoint to load: an epoch's number, latest, or best (of the validation)"""
    load_iter: int = between(0, MOST * MOST_EPOCHS, 0)
    """load the checkpoint iter_N instead, where N > 0"""


@dataclass(frozen=True)
class TranslateOptions(Options):
    """How single TXM images are translated."""

    grey: GreyMatching = of_models("auto", *TRANSLATION_MODELS)
    """match: the contrast of the images is brought to that of the TXM that the model was trained on; as_is: their grey
    values are the ones it was trained with; auto: match for the model that comes along, as_is for yours"""
    probabilities: bool = of_models(False, "segmentation")
    """write how likely each class is, too: into OUTPUT_probabilities, float32, a channel a class (segmentation)"""
    memory: str = "auto"
    """memory to use in all, e.g. 8GB; auto: a quarter of the machine's. Larger images are cut into tiles, whose borders
    cannot be seen"""
    epoch: str = name_of_path("latest")
    """which checkpoint to load: an epoch's number, latest, or best (of the validation)"""
    load_iter: int = between(0, MOST * MOST_EPOCHS, 0)
    """load the checkpoint iter_N instead, where N > 0"""


@dataclass(frozen=True)
class TrustOptions(Options):
    """Where not to believe the prediction: its uncertainty, contradictions to the TXM, and places unlike training."""

    uncertainty: int = field(
        default=0, metadata={"at_least": 0, "at_most": 1024, "models": TRANSLATION_MODELS, "modes": ("txm2sem",)}
    )
    """predictions that a standard deviation of each pixel is taken from; what contradicts the TXM, and tiles unlike
    those of training, are found too; 0 for none"""
    uncertainty_from: SpreadName = field(default="auto", metadata={"models": TRANSLATION_MODELS, "modes": ("txm2sem",)})
    """what --uncertainty predicts with: dropout; the latest checkpoints; scale: one pass of a model trained with
    --regression_loss laplace. auto: scale where the model has it, else dropout where it has any, else checkpoints"""

    def check(self) -> None:
        """As `Options.check`."""
        if not self.uncertainty and self.uncertainty_from != "auto":
            raise UserError(
                f"--uncertainty_from {self.uncertainty_from} does nothing without --uncertainty; pass --uncertainty "
                "N, with N predictions to take a standard deviation from, such as 8"
            )


@dataclass(frozen=True)
class DrawOptions(Options):
    """Several images that fit the same TXM, from a model that draws them."""

    draws: int = field(
        default=0, metadata={"at_least": 0, "at_most": 1024, "models": TRANSLATION_MODELS, "modes": ("txm2sem",)}
    )
    """images that a model which draws samples (--recipe sample) makes of the same TXM: their mean is the prediction,
    and their standard deviation and each of them are written, too; 0 for one draw alone"""

    def check(self) -> None:
        """As `Options.check`."""
        if self.draws == 1:
            raise UserError(
                "--draws 1: expected 2 or more, to take a mean and a standard deviation of; leave it out for one draw"
            )


@dataclass(frozen=True)
class FigureOptions(Options):
    """Figures for a paper."""

    figures: FigureKind = "png"
    """figures are PNG, which pages show; svg or pdf: they are written as vectors, too, beside it, with text as text"""


@dataclass(frozen=True)
class PageFigureOptions(Options):
    """What a page draws, as figures for a paper."""

    figures: PageFigureKind = "none"
    """png, svg or pdf: what the page draws is written as figures into a folder, too; svg and pdf are vectors, with text
    as text, beside PNG; none: it is in the page alone"""


@dataclass(frozen=True)
class RepairOptions(Options):
    """Slices to repair, and how their charged regions are found where no masks are given."""

    txm: Path | None = None
    """folder of the aligned TXM slices; kriging does without where there are none, and so does a model that was trained
    with --sem_only"""
    charge: Path | None = None
    """folder of masks of the charged regions (above 0 is charged); without it they are found by the options below"""
    saturation: str = "auto"
    """SEM grey value from which a pixel counts as saturated; auto: the largest one in the slices"""
    min_area: int = between(1, MOST, 64)
    """saturated regions with fewer pixels than this are left as they are [pixels]"""
    dilation: int = between(-1, 1024, -1)
    """how far what is repaired reaches beyond a mask, or a saturated region; -1: 2 beyond regions that are found, 0
    beyond masks that are given [pixels]"""
    texture: bool = False
    """kriging: fill with the noise and texture that the rest of the slice has, not with the smooth expectation: better
    to look at, further from the truth"""
    epoch: str = name_of_path("latest")
    """which checkpoint to load: an epoch's number, latest, or best (of the validation)"""
    load_iter: int = between(0, MOST * MOST_EPOCHS, 0)
    """load the checkpoint iter_N instead, where N > 0"""
    tiles: int = between(1, 4096, 1)
    """tiles of --patch_size that are predicted at once; more are faster on a GPU and take more memory"""


@dataclass(frozen=True)
class CheckOptions(Options):
    """Where the report of a check goes."""

    output: str = ""
    """folder of the report; NAME_check in the current folder where absent, with NAME that of the checked one. An
    earlier report there is kept in a dated folder beside it"""


@dataclass(frozen=True)
class AlignOptions(Options):
    """Which slices of two instruments belong together, and how one is laid upon the other."""

    charge: Path | None = None
    """folder of masks of the SEM's charged regions, above 0; they take no part, and are aligned like the SEM"""
    lowdensity: Path | None = None
    """folder of masks of the SEM's low density regions, which are aligned like the SEM"""
    highdensity: Path | None = None
    """folder of masks of the SEM's high density regions, which are aligned like the SEM"""
    transform: TransformName = "smooth"
    """what may differ between the images: none; shift; rigid: a turn, too; similarity: and a scale; affine: and two
    shears; smooth: and a smooth displacement"""
    txm_is: Literal["auto", "pairs", "volume"] = "auto"
    """pairs: a slice of the TXM for each of the SEM; volume: each slice of the SEM is looked for in all of it; auto:
    pairs where both have as many"""
    tilt: float = between(0, 30, 5.0)
    """in a volume: largest angle between a slice of the SEM and those of the TXM [degrees]"""
    spacing: float = between(0, 1e7, 0.0)
    """in a volume: distance from a slice of the SEM to the next; 0: constant, but not known [nm]"""
    dataset: str = ""
    """in a volume: path of the TXM inside of HDF5 or Zarr; the largest three-dimensional one where absent"""
    axes: str = ""
    """in a volume: axes of the stored array in its order, such as zyx; what the file says where absent"""
    txm_voxel_size: str = ""
    """size of the TXM's voxels, one number or Z,Y,X; what the files say where absent [nm]"""
    sem_pixel_size: float = between(0, 1e7, 0.0)
    """size of the SEM's pixels; 0: what the files say [nm]"""
    landmarks: Path | None = None
    """pairs of points to begin with: a file of BigWarp (moving: SEM), or a folder of such files by the slices' numbers,
    or a folder with sem.csv and txm.csv of napari; in pixels. With --transform none they replace the search"""
    search_angle: float = between(0, 180, 10.0)
    """turns up to this to either side are tried [degrees]"""
    quarter_turns: bool = False
    """try turns by 90, 180 and 270 degrees, too"""
    mirror: Literal["auto", "yes", "no"] = "auto"
    """whether the SEM is seen from behind; auto tries both"""
    keep_bar: bool = False
    """take the rows of a data bar for a part of the image; otherwise they are found and left out"""
    val: int = between(-1, MOST, -1)
    """slices to validate on, a block along z; -1: a sixth, at least one"""
    test: int = between(-1, MOST, -1)
    """slices to test on, a block along z; -1: a sixth, at least one"""


@dataclass(frozen=True)
class MeasureOptions(SharedWorkOptions, VolumeInputOptions):
    """A volume of labels, or of grey values, and what is measured of its phases."""

    method: MeasureMethod = "auto"
    """what tells the phases: labels, the voxels are their numbers; thresholds, those of --thresholds; otsu, the two
    thresholds of three-class Otsu; auto: thresholds where they are given, otsu where a translation model is named or
    the volume is of draws, else labels"""
    thresholds: str = ""
    """grey values between the phases, rising, such as 80 or 80,170; a voxel of just that value belongs to the darker
    phase"""
    blur: float = between(0, 64, 0.0)
    """grey values are smoothed by a Gaussian of this standard deviation before, against noise [voxels]"""
    not_imaged: str = "auto"
    """the value of voxels where nothing was imaged, or none; auto: 0 in grey values, what the file says in labels"""
    rim: int = between(0, 256, 0)
    """so many of the outermost voxels of each plane count as not imaged: those no further from what was not imaged, or
    from the end of the volume or of --roi; what phases are there is often made by the instrument [voxels]"""
    phases: str = ""
    """names of the phases by their numbers, such as 0=matrix,1=pores; those of the file, or of this program, where
    absent"""
    measured: str = ""
    """numbers of the phases of which more than the fraction is measured, such as 1,2; all but 0 where absent"""
    longest: int = between(1, 4096, 64)
    """largest distance of correlations and lineal paths [voxels]"""
    diffusion_side: int = between(0, 1024, 128)
    """longest side of the part, chosen for its fractions, in which diffusion is computed [voxels]; 0: it is left out"""
    compare: Path | None = None
    """the output of another measurement, to be set beside this one"""
    name: str = name_of_run()
    """a trained model that is applied first: one that segments, or one that predicts the SEM; its name, or a file that
    txm2sem export has written"""
    checkpoints_dir: Path = beside("name", Path("./checkpoints"))
    """models are saved here, in a folder of the experiment's name"""
    epoch: str = field(default="latest", metadata={"beside": "name", "is_name": True})
    """which checkpoint to load: an epoch's number, latest, or best (of the validation)"""
    seg_mode: Literal["auto", "sem", "txm", "semfake"] = beside("name", "auto")
    """what a model that segments is given: the SEM, the TXM, or the SEM predicted from it by --seg_source; auto: as in
    its training, but for the SEM, which must be said"""
    seg_source: str = field(default="", metadata={"beside": "name", "is_name": True})
    """with --seg_mode semfake: name of a trained translation model in checkpoints_dir"""
    gpu_ids: str = beside("name", "auto")
    """GPUs to use, e.g. 0 or 0,1; mps is Apple's, -1 the CPU; auto takes GPU 0 or Apple's where there is one"""

    def check(self) -> None:
        """As `Options.check`."""
        super().check()
        if (self.method == "thresholds") > bool(self.thresholds):
            raise UserError("--method thresholds needs --thresholds, such as --thresholds 80,170")
        if self.thresholds and self.method not in ("auto", "thresholds"):
            raise UserError(f"--thresholds does nothing with --method {self.method}; leave one of them out")
        if self.blur and self.method == "labels":
            raise UserError("--blur smooths grey values, and --method labels has none; leave one of them out")


@dataclass(frozen=True)
class ExportOptions(Options):
    """Which checkpoint is exported, and what is said of it."""

    author: str = ""
    """who has made the model, names separated by semicolons; a .zip needs it"""
    license: str = ""
    """licence under which others may use it, an identifier of SPDX such as CC-BY-4.0 or MIT; a .zip needs it"""
    citation: str = no_place()
    """what users of it should cite beside this program: a text that ends with its DOI (10. ...)"""
    epoch: str = name_of_path("latest")
    """which checkpoint to export: an epoch's number, latest, or best (of the validation)"""
    load_iter: int = between(0, MOST * MOST_EPOCHS, 0)
    """export the checkpoint iter_N instead, where N > 0"""


@dataclass(frozen=True)
class ReportOptions(Options):
    """What the page about a run shows besides, and where it goes."""

    volume: tuple[Path, ...] = may_be_address(())
    """translated volumes, as txm2sem volume writes them, or their addresses, to cut along xy, xz and yz, beside their
    TXM where that is in the same folder"""
    measures: tuple[Path, ...] = ()
    """folders that txm2sem measure has written: what there is of each phase"""
    txm: tuple[Path, ...] = may_be_address(())
    """TXM volumes, or their addresses, that those of --volume were translated from, in the same order, where they are
    in other folders"""
    output: str = ""
    """the page, a name that ends with .html; results_dir/NAME/report.html where absent. An earlier one is kept in a
    dated folder beside it"""


@dataclass(frozen=True)
class CompareOptions(Options):
    """Where the page about several runs goes."""

    output: str = ""
    """the page, a name that ends with .html; compare.html in the current folder where absent. An earlier one is kept in
    a dated folder beside it"""


@dataclass(frozen=True)
class SweepOptions(Options):
    """Many trainings and tests by one plan: on which data, how many at once, and where what is found of them goes."""

    dataroot: Path | None = None
    """folder of the images, with subfolders train, val and test; what the plan says where absent"""
    output: str = ""
    """folder of the table, the figure, the page and the logs; NAME_sweep in the current folder where absent, with NAME
    that of the plan"""
    jobs: int = between(0, 1024, 0)
    """runs at a time, each with its share of the cores; 0: one, or as many as --gpu_ids has GPUs"""
    gpu_ids: str = "auto"
    """GPUs, e.g. 0,1, of which each run has one; mps is Apple's, -1 the CPU; auto takes GPU 0 or Apple's where there is
    one"""
    only: str = ""
    """runs of these names only; * stands for anything, as in 'srgan*'"""
    dry_run: bool = False
    """print the runs with their commands, and stop"""
    table_only: bool = False
    """train and test nothing: make table, figure and page of what is done"""
    slurm: bool = False
    """train and test nothing: write a script for sbatch, with a job of an array for each run that is not done"""

    def check(self) -> None:
        """As `Options.check`."""
        chosen = [name for name in ("dry_run", "table_only", "slurm") if getattr(self, name)]
        if len(chosen) > 1:
            raise UserError(f"--{chosen[0]} and --{chosen[1]} ask for different things; leave one of them out")


@dataclass(frozen=True)
class PhantomOptions(Options):
    """A synthetic shale: the rock and how its TXM and SEM images come out."""

    seed: int = between(0, 2**63 - 1, 0)
    """seed of everything random; the same options give the same files"""
    size: int = between(32, 8192, 512)
    """rows and columns of a slice [pixels]"""
    depth: int = between(1, 8192, 128)
    """slices of the full stacks [pixels]"""
    train_slices: int = between(0, 4096, 8)
    """aligned slices to train on"""
    val_slices: int = between(0, 4096, 1)
    """aligned slices to validate on"""
    test_slices: int = between(0, 4096, 2)
    """aligned slices to test on"""
    bits: Literal[8, 16] = 8
    """bits per pixel of the images, 8 or 16; with --unaligned those of the SEM, as the TXM has 16"""
    porosity: float = between(0, 0.3, 0.06)
    """share of the rock that is pores and cracks"""
    organic: float = between(0, 0.4, 0.12)
    """share of the rock that is organic matter"""
    pyrite: float = between(0, 0.2, 0.02)
    """share of the rock that is pyrite"""
    blur: float = between(0, 20, 2.5)
    """standard deviation of the TXM's point-spread function [pixels]; the SEM's is about 1"""
    contrast: float = between(0, 10, 1.0)
    """how much materials differ in the TXM, as a multiple of what their attenuation makes of it; 0: not at all"""
    photons: float = between(1, 1e9, 400.0)
    """X-rays counted per pixel without a sample; fewer are noisier"""
    artefacts: float = between(0, 5, 1.0)
    """strength of rings, streaks and shading in the TXM and of curtaining in the SEM; 0 for none"""
    charging: float = between(0, 0.3, 0.03)
    """share of the SEM that is charged: saturated, and marked in the masks"""
    unaligned: bool = False
    """write what the two instruments leave, instead of aligned slices: the TXM as one volume (OME-TIFF), the SEM as
    slices of another pixel size, turned, tilted, shifted and distorted, with a data bar. Where they lie in the TXM is
    in phantom.json"""
    turn: float = beside("unaligned", 10.0, limits=(0, 180))
    """largest angle by which SEM slices are turned in their plane [degrees]"""
    tilt: float = beside("unaligned", 5.0, limits=(0, 30))
    """largest angle between SEM slices and TXM slices [degrees]"""
    scale: float = beside("unaligned", 1.25, limits=(1, 4))
    """largest factor between the SEM's pixels and the TXM's voxels; the SEM's are larger or smaller"""
    shift: float = beside("unaligned", 40.0, limits=(0, 8192))
    """largest distance along y and x from the middle of a SEM slice to that of the TXM; less where the slice would
    leave the rock [pixels]"""
    distortion: float = beside("unaligned", 5.0, limits=(0, 100))
    """how far the smooth distortion of a SEM slice displaces its pixels at most [pixels]"""
    invert_contrast: bool = beside("unaligned", False)
    """the SEM shows dense matter dark"""


@dataclass(frozen=True)
class SeenOptions(Options):
    """A real rock in place of a synthetic one."""

    sem_from: Path | None = None
    """a data root: its SEM slices are the rock, and the TXM of the new data root is what the phantom's TXM sees of
    them; SEM and masks are copied"""


@dataclass(frozen=True)
class RecipeOptions(Options):
    """A set of options that has been measured; docs/results.md says how good it is."""

    recipe: RecipeName = "none"
    """translate: a small U-Net for few slices, minutes of training; texture: a like one as a GAN, which draws noise and
    edges like a SEM's, at some cost of PSNR; sample: a like one draws as many images as wanted, all of which fit the
    TXM, so that their spread says what it leaves open; phases: a like one tells how likely each phase is, from the TXM,
    or from the SEM with --seg_mode sem. Options beside it override those of the recipe"""
