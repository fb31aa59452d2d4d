"""Help of the options that several commands share. Names in braces are filled in from the registries."""

PROTOCOL_HELP = (
    "How rows are split: {protocols}. A score is stamped when training and test rows share speakers, audio or "
    "sentences."
)
PLACE_HELP = "Folder of a corpus that is not under $FUSIONSER_DATA, as corpus=DIR."
CLUSTER_HELP = (
    "Run on a Dask cluster: the address of its scheduler, such as tcp://10.0.0.1:8786, or local:4 for four workers on "
    "this machine. Its workers must reach the recordings by the same paths."
)
WORKERS_HELP = (
    "Extract and compute folds in so many processes of one core each, at the same time. Numbers of networks are then "
    "those of --threads 1."
)
JOBS_HELP = "Number of processes; -1 uses one per core."
PROCESSES_HELP = (
    "Processes that train each network together, each on its rows of every batch and with its share of --threads; on "
    "GPUs, each has its own."
)
MEMORY_LIMIT_HELP = (
    "Largest size of the inputs of networks that are kept in memory, such as 4GiB. Larger ones are read from disk; "
    "results do not change. By default an eighth of the free memory."
)
PRECISION_HELP = (
    "Precision of training: {precisions}. bfloat16 trains convolutions faster on GPUs and processors that support it, "
    "and slower on others."
)
TRAINING_DEVICE_HELP = "Where networks are trained: {devices}."
WEIGHTS_HELP = (
    "File with the initial weights of networks: a model, whose networks those of the same kind start from; for vgg16, "
    "a safetensors file with torchvision's names."
)
IMPORTANCE_HELP = "Measure what the classifier relies on, on held-out speakers: {importance}. features includes blocks."
AUGMENT_FOR_HELP = (
    "What learns from the copies: {copies_for}. networks fits the classifier beside them to the original recordings "
    "only."
)
AUGMENT_CLASSES_HELP = "Classes to augment: {copied_classes}. scarce adds copies up to the size of the largest class."
BLOCKS_HELP = (
    "Feature blocks, comma-separated, instead of a preset: {blocks}. Networks are trained inside each fold. acoustic "
    "stands for the five blocks of SER-FusionNet, robust and wide for all blocks of that preset. Parameters are "
    "given in brackets: 'opensmile[feature_set=emobase]'."
)
SETTING_HELP = (
    "What is known of the clips to predict: {settings}. speaker-normalised standardises each speaker, and adapted each "
    "tested corpus, by unlabelled clips of their own."
)
ADAPTATION_HELP = (
    "How --setting adapted aligns columns: {adaptations}. The first aligns mean and standard deviation, the second "
    "correlations too."
)
SCALING_HELP = (
    "How columns are scaled: {scalings}. By default that of the features: bounded for the presets robust and best and "
    "for blocks of robust, standard for all others."
)
LAYOUT_HELP = (
    "What folders and file names are, where no corpus is named: '{{speaker}}/{{emotion}}/*'. * is anything, ** any "
    "folders; gender, statement and intensity are fields too. By default found from the names of the folders."
)
TRUNCATED_HELP = "Use what is there of recordings that were cut off, instead of setting them aside."
ISOLATE_HELP = (
    "For strangers' recordings: decode in a process of its own, with limits of time and memory. A recording that makes "
    "it crash or hang is set aside with the reason, and the others are used."
)
CHANNEL_HELP = "Channel of the recordings to use: left, right, a number from 1, or mean. By default mean."
MAP_HELP = "Names of columns in a table or dataset, by the names that fusionser has for them: file=path,emotion=label."
PARTS_HELP = (
    "Parts of a dataset to read, comma-separated: tables of an audformat database, splits of a Hugging Face dataset. "
    "By default all with labels."
)
DOWNLOAD_HELP = (
    "Get datasets (hf:owner/name, audb:name==version) and pretrained models that are not on this machine. Without it, "
    "nothing is downloaded."
)
LABELS_HELP = (
    "folded gives labels that differ only in case, blanks or Unicode form the same spelling, and says so; exact keeps "
    "them apart, but for blanks at their ends. By default folded."
)
TARGETS_HELP = (
    "Predict numbers instead of emotions: columns of the tables of rows, such as arousal,valence. Rows without a "
    "number are set aside. --classifier then names a regressor (see 'fusionser list regressors')."
)
RENAME_HELP = (
    "New names of emotions, given before others are kept or left out, comma-separated: boredom=neutral, or "
    "emodb.boredom=neutral for one corpus. A features file keeps the old names."
)
RATERS_HELP = (
    "Columns of the table with the labels of one rater each, comma-separated, or patterns such as 'rater_*'. The label "
    "with more votes than any other is the emotion; rows without one are set aside."
)
SOFT_LABELS_HELP = (
    "Train networks against the shares of the votes of --raters for each emotion, instead of the emotion with most "
    "votes. Scores go by the latter."
)
STREAM_HELP = (
    "Read features files part by part, in several passes, instead of into memory: for more rows than memory holds. For "
    "classifiers that learn from batches (linear-svm, xgboost)."
)
SEED_HELP = "Seed of everything drawn at random, by default 0."
