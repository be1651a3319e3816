// Translates the current image, or each slice of the current stack, with txm2sem, and opens the result with the scale
// of the original. The original is not changed. Needs txm2sem installed: PROGRAM is its path.

PROGRAM = call("ij.Prefs.get", "txm2sem.program", "txm2sem");
NAME = call("ij.Prefs.get", "txm2sem.name", "");
FOLDER = call("ij.Prefs.get", "txm2sem.checkpoints_dir", "checkpoints");

if (getArgument() != "") {
    PROGRAM = getArgument();
} else {
    Dialog.create("txm2sem translate");
    Dialog.addString("Program", PROGRAM, 40);
    Dialog.addString("Name of a run (empty: the model that comes along)", NAME, 40);
    Dialog.addString("Folder that the run is in", FOLDER, 40);
    Dialog.show();
    PROGRAM = Dialog.getString();
    NAME = Dialog.getString();
    FOLDER = Dialog.getString();
    call("ij.Prefs.set", "txm2sem.program", PROGRAM);
    call("ij.Prefs.set", "txm2sem.name", NAME);
    call("ij.Prefs.set", "txm2sem.checkpoints_dir", FOLDER);
}

if (nImages == 0) exit("There is no image; open a TXM image first.");
if (bitDepth() == 24) exit("Expected grey values; convert the image to 8-bit, 16-bit or 32-bit first.");
original = getImageID();
title = getTitle();
getVoxelSize(width, height, depth, unit);

folder = getDirectory("temp") + "txm2sem_" + d2s(getTime(), 0) + File.separator;
source = folder + "txm" + File.separator;
result = folder + "sem";
File.makeDirectory(folder);
File.makeDirectory(source);

setBatchMode(true);
slices = nSlices;
for (z = 1; z <= slices; z++) {
    selectImage(original);
    setSlice(z);
    run("Duplicate...", "title=slice");
    saveAs("Tiff", source + IJ.pad(z, 5) + ".tif");
    close();
}

if (NAME == "") said = exec(PROGRAM, "translate", source, result);
else said = exec(PROGRAM, "translate", source, result, "--name", NAME, "--checkpoints_dir", FOLDER);
if (!File.exists(result)) exit("txm2sem has made no image. It says:\n" + said);

names = getFileList(result);
stack = 0;
for (i = 0; i < names.length; i++) if (endsWith(names[i], ".tif")) stack++;
if (stack != slices) exit("txm2sem has translated " + stack + " of " + slices + " slices. It says:\n" + said);
if (slices == 1) open(result + File.separator + IJ.pad(1, 5) + ".tif");
else run("Image Sequence...", "open=[" + result + File.separator + "] file=.tif sort");
setVoxelSize(width, height, depth, unit);
rename(title + ": predicted SEM");
setBatchMode("exit and display");
