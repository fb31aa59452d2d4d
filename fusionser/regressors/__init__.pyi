import fusionser.registry as registry

from .base import TableRegressor as TableRegressor
from .build import regressor as regressor
from .gradient_boosting import XGBoost as XGBoost
from .kernel_ridge import KernelRidge as KernelRidge
from .late import LateFusion as LateFusion
from .linear_svm import LinearSVM as LinearSVM
from .neural import LSTM as LSTM
from .neural import MLP as MLP
from .neural import BiLSTM as BiLSTM
from .random_forest import RandomForest as RandomForest
from .svm import SVM as SVM

REGRESSORS: registry.Registry
