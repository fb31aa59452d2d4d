import fusionser.registry as registry

from .base import TableRegressor as TableRegressor
from .build import regressor as regressor
from .gradient_boosting import XGBoost as XGBoost
from .neural import MLP as MLP
from .random_forest import RandomForest as RandomForest
from .svm import SVM as SVM

REGRESSORS: registry.Registry
