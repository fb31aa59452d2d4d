import fusionser.registry as registry

from .bagging import BAGGING as BAGGING
from .bagging import BalancedBagging as BalancedBagging
from .base import MemberClassifier as MemberClassifier
from .base import MemberEstimator as MemberEstimator
from .base import Parts as Parts
from .base import TableClassifier as TableClassifier
from .base import TableEstimator as TableEstimator
from .batches import BatchLearner as BatchLearner
from .build import classifier as classifier
from .gradient_boosting import XGBoost as XGBoost
from .kernel_ridge import KernelRidge as KernelRidge
from .late import LateFusion as LateFusion
from .linear_svm import LinearSVM as LinearSVM
from .logit_adjustment import LogitAdjustment as LogitAdjustment
from .neural import LSTM as LSTM
from .neural import MLP as MLP
from .neural import BiLSTM as BiLSTM
from .random_forest import RandomForest as RandomForest
from .svm import SVM as SVM

CLASSIFIERS: registry.Registry
