"""What a plan says, in Chinese: reasons, refusals, water checks and sizes of earthwork."""

from __future__ import annotations

import re

__all__ = ["GRADES_ZH", "STATES_ZH", "in_chinese"]

GRADES_ZH = {
    "none": "未退化",
    "light": "轻度",
    "moderate": "中度",
    "heavy": "重度",
    "severe": "极重度",
}
STATES_ZH = {
    "draft": "草案",
    "proposed": "已提出",
    "approved": "已批准",
    "declined": "已否决",
    "done": "已实施",
    "evaluated": "已评估",
}

_PATTERNS = tuple(
    (re.compile(f"^{pattern}$".replace("(.+)", "([^;]+)").replace("(.*)", "([^;]*)")), words)
    for pattern, words in (
        (r"grade (\w+) with probability (.+)", "退化等级：{0}，概率 {1}"),
        (
            r"(.+) m lies below (.+) m, where seed still takes",
            "海拔 {0} 米，低于 {1} 米，种子可成活",
        ),
        (r"(.+) m lies above (.+) m, where seed fails", "海拔 {0} 米，高于 {1} 米，种子难以成活"),
        (
            r"seed breaks down at about (.+) m \((.+) to (.+) m\)",
            "种子在约 {0} 米（{1} 至 {2} 米）以上难以成活",
        ),
        (
            "between the two, try both and compare before the whole unit is planted",
            "两种方法之间的海拔带：先各试一块，比较后再全面种植",
        ),
        (
            "the cover that stands here is more than its water carries: do not add",
            "现有盖度已超过水分承载力：不再增密",
        ),
        (
            "heavy and severe need a second season or a visit before they are certain",
            "重度和极重度须经第二个生长季或实地踏勘方能确认",
        ),
        ("early warning: a watch stands(.*)", "预警：关注{0}"),
        ("early warning: greenness has fallen short and stays so(.*)", "预警：植被持续偏低{0}"),
        (
            "early warning: loss of greenness confirmed by a second season(.*)",
            "预警：植被损失经第二个生长季确认{0}",
        ),
        ("early warning: greenness has come back(.*)", "预警：植被已恢复{0}"),
        ("alert of its stations: (.+)", "监测站报警：{0}"),
        (" on (.+) of the unit", "（占单元 {0}）"),
        (
            "a loss was confirmed where the grade says little: see which is right",
            "等级显示退化很轻，但损失已确认：请实地核对",
        ),
        (r"slope (.+)°: pits are for (.+) to (.+)°", "坡度 {0}°：鱼鳞坑适用于 {1} 至 {2}°"),
        (r"slope (.+)°: ditches are for (.+) to (.+)°", "坡度 {0}°：水平沟适用于 {1} 至 {2}°"),
        ("soil depth is not known: dig a trial pit first", "土层厚度未知：先挖试坑"),
        ("soil of (.+) m is too thin for a depth of (.+) m", "土层 {0} 米，不足以开挖 {1} 米深"),
        ("permafrost: no earthwork without a person's reason", "多年冻土：无人说明理由不得动土"),
        (
            "the ground thaws only (.+) m deep: no earthwork without a person's reason",
            "融化深度仅 {0} 米：无人说明理由不得动土",
        ),
        ("core zone: no earthwork", "核心区：不得动土"),
        ("core zone: no sowing", "核心区：不得播种"),
        ("the water does not carry more cover than there is", "水分不能承载比现有更高的盖度"),
        (
            "(.+) active burrows per hectare, below the control threshold of (.+), "
            "above the (.+) that do damage: count again next year",
            "每公顷有效洞口 {0} 个，低于防治阈值 {1}，高于危害水平 {2}：明年再查",
        ),
        (
            "(.+) active burrows per hectare, below the control threshold of (.+)",
            "每公顷有效洞口 {0} 个，低于防治阈值 {1}",
        ),
        ("carrying capacity not known", "水分承载力未知"),
        ("cover (.+) exceeds what the water carries, (.+)", "现有盖度 {0}，超过水分承载力 {1}"),
        (
            r"planned (.+), the water carries (.+) \(at least (.+)\)",
            "规划盖度 {0}，水分可承载 {1}（至少 {2}）",
        ),
        ("planned (.+), the water carries (.+)", "规划盖度 {0}，水分可承载 {1}"),
        (
            "(.+) pits/ha, (.+) m wide, (.+) m deep, (.+) m apart, rows (.+) m apart; (.+)",
            "每公顷 {0} 个坑，直径 {1} 米，深 {2} 米，间距 {3} 米，行距 {4} 米；{5}",
        ),
        (
            "(.+) m of ditch/ha, (.+) m wide, (.+) m deep, rows (.+) m apart; (.+)",
            "每公顷沟长 {0} 米，宽 {1} 米，深 {2} 米，行距 {3} 米；{4}",
        ),
        (
            r"of (.+) mm runoff in (.+) mm rain (.+) is kept \((.+) to (.+)\), (.+) mm spill",
            "{1} 毫米降雨产流 {0} 毫米，拦蓄 {2}（{3} 至 {4}），溢出 {5} 毫米",
        ),
        (
            r"of (.+) mm runoff in (.+) mm rain (.+) is kept \((.+) to (.+)\)",
            "{1} 毫米降雨产流 {0} 毫米，拦蓄 {2}（{3} 至 {4}）",
        ),
    )
)


def in_chinese(text: str) -> str:
    """Say a reason, refusal, water check or size in Chinese.

    Parameters
    ----------
    text : str
        As :func:`headwater.restoration.measures.advise` and its neighbours write it; several,
        parted by semicolons, are said one by one.

    Returns
    -------
    str
        The text itself where it is none of them: what people wrote stays as they wrote it.

    Examples
    --------
    >>> in_chinese("core zone: no sowing; carrying capacity not known")
    '核心区：不得播种；水分承载力未知'
    """
    for pattern, words in _PATTERNS:
        match = pattern.match(text)
        if match is not None:
            said = [GRADES_ZH.get(part) or in_chinese(part) for part in match.groups()]
            return words.format(*said)
    if "; " in text:
        return "；".join(in_chinese(part) for part in text.split("; "))
    return text
