"""What the Runs page says."""

# ruff: noqa: E501 - the linter counts Korean letters as two columns each

SENTENCES = {
    "Nothing has run yet": "아직 실행한 것이 없습니다",
    "Launch a study, and its runs appear here while they train.": "연구를 시작하면 학습하는 동안 여기에 실행이 나타납니다.",
    "about **{time}** left": "약 **{time}** 남음",
    "about **{time}** left (a rough guess)": "약 **{time}** 남음 (대략적인 추정)",
    "{phase}, {time} left": "{phase}, {time} 남음",
    # The table
    "Progress": "진행",
    "Now": "지금",
    "Latency (ms)": "지연 시간 (ms)",
    "Launched": "시작",
    "As requested.": "요청한 값.",
    "On the test pictures, after the newest epoch.": "가장 최근 에포크 이후, 테스트 이미지 기준.",
    "The compressed file, known once pruned.": "압축 파일. 가지치기 후에 알 수 있습니다.",
    "Per image at batch 1, known once pruned; measured again at the end.": "배치 1에서 이미지당. 가지치기 후에 알 수 있고, 마지막에 다시 측정합니다.",
    # Actions
    "Select rows to see their curves, or to cancel or retry only those.": "행을 선택하면 그 실행의 곡선만 보거나, 그 실행만 취소하거나 다시 시도할 수 있습니다.",
    "Cancel selected ({n})": "선택 취소 ({n})",
    "Cancel all ({n})": "모두 취소 ({n})",
    "Retry selected ({n})": "선택 다시 시도 ({n})",
    "Retry all ({n})": "모두 다시 시도 ({n})",
    "Delete selected ({n})": "선택 삭제 ({n})",
    "Their folders move to *trash*, beside *checkpoints*; moving one back brings its run back.": "폴더는 *checkpoints* 옆의 *trash*로 옮겨집니다. 폴더를 되돌려 놓으면 실행도 돌아옵니다.",
    "Move to trash": "휴지통으로 옮기기",
    "Compare the results": "결과 비교하기",
    "{n} runs, the first of them {run}": "실행 {n}개, 첫 번째는 {run}",
    "{n} more failed with it, as they start from there.": "여기서 출발하는 {n}개도 함께 실패했습니다.",
    "Details: log.txt in checkpoints/{run}.": "자세한 내용: checkpoints/{run}의 log.txt.",
    "The first {shown} of {n} reasons; select others in the table.": "원인 {n}개 가운데 처음 {shown}개입니다. 나머지는 표에서 선택하세요.",
    "Launch it with batch size {batch}": "배치 크기 {batch}(으)로 시작",
    "Launch all {n} with batch size {batch}": "{n}개 모두 배치 크기 {batch}(으)로 시작",
    "As a study of its own: runs of different batch sizes are not compared with each other.": "별도의 연구로 시작합니다. 배치 크기가 다른 실행은 서로 비교하지 않습니다.",
    # Charts
    "The curves begin with the first epoch that is finished.": "곡선은 첫 에포크가 끝나면 나타납니다.",
    "Second chart": "두 번째 그래프",
    "Curves of the first {n} runs; select others in the table.": "처음 {n}개 실행의 곡선입니다. 다른 실행은 표에서 선택하세요.",
    "Latencies of different runs were measured at different times, and a machine is not equally fast all day. *Compare* shows each beside the dense network that was timed in turns with it.": "지연 시간은 실행마다 다른 때에 측정되었고, 컴퓨터의 속도는 늘 같지 않습니다. *비교* 페이지는 번갈아 시간을 잰 밀집 네트워크와 함께 보여 줍니다.",
}
