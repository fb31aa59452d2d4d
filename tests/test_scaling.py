import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fusionser.errors import SettingsError
from fusionser.scaling import SCALERS, BlockScaler, BoundedScaler


@parametrize_with_checks(
    [BlockScaler(), BlockScaler(scaling="robust", equal_blocks=True), BlockScaler(scaling="bounded"), BoundedScaler()]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    values = pd.DataFrame(rng.gamma(2, size=(40, 4)), columns=["mfcc__0", "mfcc__1", "mel__0", "gender__male"])
    return pd.concat(
        [pd.DataFrame({"speaker": ["a", "b", "c", "d"] * 10, "source": "", "augmentation": ""}), values], axis=1
    )


def test_each_block_has_its_own_scale(table):
    scaled = BlockScaler(scaling={"mel": "minmax", "gender": "none", "": "standard"}).fit_transform(table)
    np.testing.assert_allclose(
        scaled[["mfcc__0", "mfcc__1"]], StandardScaler().fit_transform(table[["mfcc__0", "mfcc__1"]])
    )
    np.testing.assert_allclose(scaled[["mel__0"]], MinMaxScaler().fit_transform(table[["mel__0"]]))
    np.testing.assert_allclose(scaled["gender__male"], table["gender__male"])
    assert list(scaled.columns[:3]) == ["speaker", "source", "augmentation"]


def test_bounded_scores_are_standard_scores_within_three(table):
    far = table.assign(mfcc__0=[1e6] + [0.0] * 39)
    scaler = BlockScaler(scaling="bounded").fit(table)
    standard = BlockScaler().fit(table).transform(far).filter(like="__")
    np.testing.assert_allclose(scaler.transform(far).filter(like="__"), standard.clip(-3, 3))
    assert standard["mfcc__0"].max() > 3


def test_equal_blocks_have_equal_weight_in_a_kernel(table):
    scaled = BlockScaler(equal_blocks=True).fit_transform(table)
    energy = {block: (scaled.filter(like=f"{block}__") ** 2).to_numpy().sum() for block in ("mfcc", "mel", "gender")}
    assert energy["mfcc"] == pytest.approx(energy["mel"]) == pytest.approx(energy["gender"])


def test_by_speaker_every_speaker_has_mean_zero_and_deviation_one(table):
    table.loc[table["speaker"] == "a", "mfcc__0"] += 100
    scaled = BlockScaler(by_speaker=True, scaling="none").fit_transform(table)
    moments = scaled.groupby("speaker")[["mfcc__0", "mel__0"]].agg(["mean", lambda x: x.std(ddof=0)]).to_numpy()
    np.testing.assert_allclose(moments, np.tile([0, 1], (4, 2)), atol=1e-9)


def test_by_speaker_a_block_that_is_left_out_by_name_stays_as_it_is(table):
    wide = table.assign(left__a=np.linspace(3, 9, len(table)))
    scaler = BlockScaler(by_speaker=True, scaling={"": "standard", "left": "none"}).fit(wide)
    np.testing.assert_allclose(scaler.transform(wide)["left__a"], wide["left__a"])
    # The others are what they are without it.
    expected = BlockScaler(by_speaker=True).fit(table).transform(table)
    np.testing.assert_allclose(scaler.transform(wide)[expected.columns.tolist()[-1]], expected.iloc[:, -1])
    assert BlockScaler(by_speaker=True, scaling="none").fit(wide).transform(wide)["left__a"].abs().max() < 3


def test_by_speaker_a_new_speaker_goes_by_their_own_rows_and_a_known_one_by_training(table):
    scaler = BlockScaler(by_speaker=True, scaling="none").fit(table)
    new = table.iloc[:8].assign(speaker="new", mfcc__0=np.arange(8.0))
    expected = (np.arange(8.0) - 3.5) / np.arange(8.0).std()
    np.testing.assert_allclose(scaler.transform(new)["mfcc__0"], expected)
    own = table.loc[table["speaker"] == "a", "mfcc__0"]
    known = scaler.transform(table.iloc[[0]])["mfcc__0"].iloc[0]
    assert known == pytest.approx((own.iloc[0] - own.mean()) / own.std(ddof=0))


def test_by_speaker_copies_do_not_move_the_statistics(table):
    copies = table.assign(augmentation="pitch(+2)#1", mfcc__0=1e6)
    both = BlockScaler(by_speaker=True).fit(pd.concat([table, copies], ignore_index=True))
    alone = BlockScaler(by_speaker=True).fit(table)
    for speaker in "abcd":
        np.testing.assert_allclose(both.speakers_[speaker], alone.speakers_[speaker])


def test_by_speaker_constant_columns_and_single_clips_stay_finite(table):
    still = table.assign(gender__male=1.0)
    scaler = BlockScaler(by_speaker=True).fit(still)
    assert np.isfinite(scaler.transform(still.iloc[[0]].assign(speaker="new")).iloc[:, 3:].to_numpy()).all()


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_every_scaling_gives_finite_numbers(table, name):
    assert np.isfinite(BlockScaler(scaling=name).fit_transform(table).iloc[:, 3:].to_numpy()).all()


@pytest.mark.parametrize(
    ("scaler", "message"),
    [
        (BlockScaler(scaling="standrad"), "unknown scaling 'standrad'; did you mean 'standard'"),
        (BlockScaler(scaling={"mfc": "none"}), "unknown feature block 'mfc'; did you mean 'mfcc'"),
    ],
)
def test_names_unknown_are_told(table, scaler, message):
    with pytest.raises(SettingsError, match=message):
        scaler.fit(table)


def test_by_speaker_needs_speakers(table):
    for wrong in (table.assign(speaker=""), table.drop(columns="speaker"), table.iloc[:, 3:].to_numpy()):
        with pytest.raises(SettingsError, match="column 'speaker'"):
            BlockScaler(by_speaker=True).fit(wrong)
