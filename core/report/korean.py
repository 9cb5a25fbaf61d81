"""The report in Korean. Names of methods keep the English one in brackets, as the files and the command line have it."""

# ruff: noqa: E501 - the linter counts Korean letters as two columns each

from __future__ import annotations

from core.i18n import t, use_language
from core.report.words import Words
from core.spec.methods import METHODS

_TEXT = {
    "title": "가지치기 보고서",
    "about": "연구: {label}. 완료된 실행 {runs}개의 기록으로 프로그램이 작성했으며, 모든 수치는 그 기록에서 나온 것입니다.",
    "synthetic": (
        "**합성 데이터.** 이미지는 프로그램이 그린 것입니다. 수치는 프로그램의 동작을 보여 줄 뿐, 실제 사진에 대해서는 아무것도 "
        "말해 주지 않습니다."
    ),
    "summary": "요약",
    "summary.scope": "실행: {runs}개. 방법: {variants}. 희소도: {sparsities}. 시드: {seeds}.",
    "summary.dense": "밀집(dense) 네트워크의 테스트 정확도는 {accuracy} %입니다.",
    "summary.size": (
        "가장 작은 파일은 {size} MB입니다. 방법은 {variant}, 희소도는 {sparsity}, 정확도 변화는 {change} %p입니다."
    ),
    "summary.speed": (
        "배치 1에서 측정된 가장 큰 속도 향상은 {speedup}배입니다. 방법은 {variant}, 희소도는 {sparsity}, 정확도 변화는 "
        "{change} %p입니다."
    ),
    "summary.dense_only": "완료된 실행이 밀집 네트워크뿐이므로 아직 비교할 대상이 없습니다.",
    "methods": "방법",
    "methods.sparsity": (
        "희소도는 합성곱 층과 선형 층의 가중치 가운데 제거하도록 요청한 비율이며, 모든 방법에 똑같이 적용됩니다. 모든 방법은 같은 "
        "시드의 동일한 밀집 네트워크에서 출발하고, 이후 같은 에포크 수만큼 학습합니다."
    ),
    "methods.unstructured": "개별 가중치",
    "methods.structured": "필터 전체",
    "methods.item": "**{label}** (제거 단위: {kind}; {source}). {summary}",
    "methods.setting": "*{variant}*: {settings}",
    "methods.baseline": "비교 기준",
    "protocol": "실험 절차",
    "protocol.item": "항목",
    "protocol.value": "값",
    "protocol.data": "데이터",
    "protocol.data_synthetic": "{data} (프로그램이 그린 합성 이미지)",
    "protocol.data_folder": "{data} 폴더의 이미지",
    "protocol.pictures": "{data}; 학습 이미지 {pictures}장",
    "protocol.network": "네트워크",
    "protocol.network_value": "너비 {width}의 ResNet-18; 매개변수 {params} M, 이미지 한 장당 MAC {macs} M",
    "protocol.train": "밀집 네트워크 학습",
    "protocol.finetune": "가지치기 이후: {variants}",
    "protocol.schedule": (
        "{epochs} 에포크, SGD, 학습률 {lr}에서 0까지 코사인 감소, 모멘텀 {momentum}, 가중치 감쇠 {weight_decay}, 배치 크기 "
        "{batch_size}"
    ),
    "protocol.rewound": (
        "{epochs} 에포크, 밀집 네트워크 학습의 마지막 에포크들의 학습률을 반복, 모멘텀 {momentum}, 가중치 감쇠 {weight_decay}, "
        "배치 크기 {batch_size}"
    ),
    "protocol.rounds": "{schedule}; 전체 에포크를 {rounds}개의 라운드로 나누며 라운드마다 코사인을 새로 시작",
    "protocol.seeds": "시드",
    "protocol.hardware": "하드웨어",
    "protocol.software": "소프트웨어",
    "protocol.precision": "학습 정밀도",
    "protocol.latency": "지연 시간 측정",
    "protocol.commit": "커밋",
    "protocol.minutes": "전체 실행의 학습 시간 합계",
    "protocol.minutes_value": "{train}분",
    "protocol.wall_value": "{train}분; 데이터 적재와 측정을 포함하면 {wall}분",
    "protocol.dates": "완료일 (UTC)",
    "protocol.measures": (
        "정확도는 마지막 에포크 이후 테스트 이미지에 대한 top-1 정확도입니다. ±는 시드 평균에 대한 95 % 스튜던트 t 신뢰구간의 "
        "절반이며, 시드가 하나이면 구간이 없습니다. 변화는 같은 시드의 밀집 네트워크와 비교한 퍼센트포인트(%p)입니다. 크기는 압축된 "
        "파일의 크기입니다. 속도 향상은 실제로 측정한 값으로, 같은 프로세스에서 번갈아 잰 밀집 네트워크의 지연 시간을 가지치기한 "
        "네트워크의 지연 시간으로 나눈 것입니다. MAC 비율은 속도 향상이 아닙니다."
    ),
    "results": "결과",
    "figure.tradeoff_curve": "희소도에 따른 정확도: 점은 각 시드, 선은 평균, 띠는 95 % 신뢰구간",
    "figure.size_latency": "희소도에 따른 압축 크기와 측정된 지연 시간",
    "figure.pareto": "압축 크기에 따른 정확도; 선은 두 기준 모두에서 더 나은 것이 없는 평균들을 이은 것",
    "figure.layer_density": "층마다 남은 가중치의 비율, 시드 평균",
    "figure.training_curves": "에포크별 테스트 정확도, 선 하나가 실행 하나; 에포크 0은 가지치기 직후",
    "findings": "분석",
    "win": "가장 정확한 방법",
    "win.rule": (
        "차이는 시드별로 계산하며, 95 % 신뢰구간의 절반보다 클 때만 의미 있는 것으로 봅니다. 괄호 안은 앞선 방법의 정확도 우위(%p)입니다."
    ),
    "win.head": "희소도 {sparsity}: 평균 정확도가 가장 높은 방법은 **{leader}**, {accuracy} %입니다.",
    "win.single": "희소도 {sparsity}: 단일 실행에서 정확도가 가장 높은 방법은 **{leader}**, {accuracy} %입니다.",
    "win.alone": "이 희소도에서 실행된 다른 방법은 없습니다.",
    "win.ahead": "신뢰구간을 넘어 앞서는 상대: {others}.",
    "win.level": "우열을 가릴 수 없는 상대: {others}.",
    "win.behind": "공통 시드에서 뒤지는 상대: {others}.",
    "win.unknown": "공통 시드가 둘 미만이어서 구간이 없고 판단할 수 없는 상대: {others}.",
    "break": "정확도가 무너지는 지점",
    "break.broken": "**{variant}**: 희소도 {sparsity}에서 처음으로 {limit} %p 넘게 떨어집니다. 변화는 {change} %p입니다.",
    "break.kept": (
        "**{variant}**: 실행된 어떤 희소도에서도 {limit} %p 넘게 떨어지지 않습니다. 가장 높은 희소도 {sparsity}에서 변화는 "
        "{change} %p입니다."
    ),
    "break.unsure": "신뢰구간이 이 한계에 걸쳐 있어 확실하지 않습니다.",
    "break.single": "시드가 하나여서 구간이 없으므로 판단할 수 없습니다.",
    "cost": "크기와 속도",
    "cost.size": (
        "**{variant}**, 희소도 {sparsity}: 파일 크기 {size} MB, 밀집 네트워크는 {dense} MB (비율 {ratio}); 도달한 희소도 {reached}."
    ),
    "cost.same": (
        "연산량은 밀집 네트워크와 같습니다(MAC 비율 {macs}). 모든 희소도에 걸쳐 측정된 속도 향상: 배치 1에서 {single}, 큰 배치에서 "
        "{batch}."
    ),
    "cost.none": "속도 향상이 없다는 뜻입니다.",
    "cost.scatter": "연산이 같으므로 1과의 차이는 이득이 아니라 측정의 흔들림입니다.",
    "cost.less": "MAC 비율 {macs}; 측정된 속도 향상: 배치 1에서 {single}, 큰 배치에서 {batch}.",
    "cost.faster": "배치 1에서 신뢰구간을 넘어 밀집 네트워크보다 빠릅니다.",
    "cost.slower": "배치 1에서 신뢰구간을 넘어 밀집 네트워크보다 느립니다.",
    "cost.level": "배치 1에서 밀집 네트워크와 우열을 가릴 수 없습니다.",
    "cost.range": "{low}~{high}",
    "baseline": "비교 기준과의 대조",
    "baseline.absent": "비교 기준을 실행하지 않았으므로, 방법이 무작위보다 나은지 이 연구로는 알 수 없습니다.",
    "baseline.variant": "방법",
    "baseline.name": "비교 기준",
    "baseline.sparsity": "희소도",
    "baseline.gap": "우위 (%p)",
    "baseline.verdict": "판정",
    "baseline.ahead": "더 나음",
    "baseline.behind": "더 나쁨",
    "baseline.level": "우열을 가릴 수 없음",
    "baseline.unknown": "구간 없음, 판단 불가",
    "dead": "죽은 층",
    "dead.item": "{run}: 남은 가중치가 없는 층은 {layers}입니다.",
    "limits": "한계",
    "limits.single": "일부 결과는 시드가 하나뿐입니다. 구간이 없으므로 차이에 대한 어떤 주장도 뒷받침하지 못합니다.",
    "limits.seeds": (
        "구간은 최대 {n}개 시드에 대한 스튜던트 t 신뢰구간으로, 결과가 정규분포로 흩어진다고 가정합니다. 비교 횟수에 따른 보정은 하지 "
        "않았습니다."
    ),
    "limits.missing": "전체 조합 가운데 {missing}개의 실행이 완료되지 않았습니다: {runs}.",
    "limits.more": "그 밖에 {count}개",
    "limits.width": "네트워크의 너비는 {width}입니다. 온전한 ResNet-18의 너비는 {full}입니다.",
    "limits.folder": "이미지는 폴더에서 읽었습니다. 어떻게 만들어졌는지, 그 과정에서 품질이 떨어졌는지는 프로그램이 알 수 없습니다.",
    "limits.hardware": "실행들이 서로 다른 하드웨어에서 이루어졌으므로 ms 단위 지연 시간은 서로 비교할 수 없습니다.",
    "limits.latency": "지연 시간은 위에 적힌 하드웨어에서의 값입니다.",
    "limits.budget": "모든 방법은 가지치기 이후 똑같이 {epochs} 에포크를 학습했습니다. 결과는 이 조건에서 성립합니다.",
    "references": "참고 문헌",
    "files": "표와 그 바탕이 된 기록: {files}.",
}

with use_language("ko"):
    _METHODS = {name: t(method.summary) for name, method in METHODS.items()}

WORDS = Words(
    text=_TEXT,
    headings={
        "Method": "방법",
        "Sparsity": "희소도",
        "Seeds": "시드 수",
        "Accuracy (%)": "정확도 (%)",
        "Change (points)": "변화 (%p)",
        "Parameters (M)": "매개변수 (M)",
        "MACs (M)": "MAC (M)",
        "Size (MB)": "크기 (MB)",
        "Latency (ms)": "지연 시간 (ms)",
        "Speed-up": "속도 향상",
        "Speed-up, large batch": "속도 향상, 큰 배치",
    },
    methods=_METHODS,
    language="ko",
)
