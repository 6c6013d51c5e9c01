"""Hints from the name of a column: whether it suggests an id, a measurement, an amount or classes."""

from __future__ import annotations

import re

__all__ = ["is_amount_name", "is_class_name", "is_id_name", "is_measurement_name", "words_of"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[가-힣]+|\d+|#")
_ID_WORDS = _words(
    "id ids index idx uuid guid rownames row rownum rowid no nr num number sno srno slno serial seq sequence key pk obs "
    "observation case #"
)
_ID_ENDS = ("번호", "순번", "연번", "식별자", "아이디")
_TIMES = _words(
    "t time timestamp moment date datetime year years yr quarter month months week weeks day days hour hours minute minutes "
    "second seconds sec ms epoch step cycle period age ages 연도 년도 연령 나이 시간 개월"
)
_MEASUREMENTS = _TIMES | _words(
    "dose dosage temperature temp depth distance dist length height width weight mass size area volume speed velocity "
    "pressure voltage current frequency wavelength energy power angle latitude longitude lat lon lng price prices cost "
    "salary income wage pay population position elevation altitude mileage concentration strain stress km cm mm kg mg "
    "온도 거리 길이 높이 너비 무게 면적 가격 금액"
)
_AMOUNTS = (_MEASUREMENTS - {"t"}) | _words(
    "count counts cnt number num total sum amount quantity qty score scores rating quality rank points rings sales demand "
    "revenue visits views clicks rate percent duration value 개수 수량 점수 평점 매출 판매량"
)
_CLASS_NAMES = _words(
    "label labels class classes category categories species classid classno classlabel labelid targetclass 라벨 레이블 "
    "클래스 분류 범주"
)


def words_of(name: str) -> list[str]:
    """Split a name into words in lower case.

    Example:
        >>> words_of("Serial No."), words_of("PassengerId"), words_of("roi_x1")
        (['serial', 'no'], ['passenger', 'id'], ['roi', 'x', '1'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def is_id_name(name: str) -> bool:
    """Whether a name suggests row numbers or ids, such as PassengerId, Serial No., sample_no or Unnamed: 0."""
    words = words_of(name)
    return bool(words) and (words[-1] in _ID_WORDS or words[-1].endswith(_ID_ENDS) or words[0] == "unnamed")


def is_measurement_name(name: str) -> bool:
    """Whether a name suggests a point in time or a measurement, such as time, year, dose_mg or x.

    ``X`` does not, because R gives this name to the column of row numbers.
    """
    return name == "x" or (not is_id_name(name) and not _MEASUREMENTS.isdisjoint(words_of(name)))


def is_amount_name(name: str) -> bool:
    """Whether a name suggests an amount, such as a measurement, a count or a score."""
    return not _AMOUNTS.isdisjoint(words_of(name))


def is_class_name(name: str) -> bool:
    """Whether a name suggests classes, such as label, class, ClassId, category or species."""
    return "".join(words_of(name)) in _CLASS_NAMES
