"""What the Report page says."""

# ruff: noqa: E501 - the linter counts Korean letters as two columns each

SENTENCES = {
    "There is nothing to report yet": "아직 보고할 결과가 없습니다",
    "Launch a study. When its first runs are done, their tables, figures and a report are here.": "연구를 시작하세요. 첫 실행이 끝나면 표, 그림, 보고서가 여기에 나타납니다.",
    "Reading the study…": "연구를 읽는 중…",
    "Everything as ZIP": "모두 ZIP으로",
    "Table, CSV": "표, CSV",
    "Table, Markdown": "표, Markdown",
    "Table, LaTeX": "표, LaTeX",
    "All runs, CSV": "모든 실행, CSV",
    "All results, JSON": "모든 결과, JSON",
    "Every number comes from the records of the runs. Figures are drawn when you ask for them: the ZIP takes some seconds the first time.": "모든 수치는 실행 기록에서 나온 것입니다. 그림은 요청할 때 그리므로 ZIP은 처음에 몇 초 걸립니다.",
    "Show": "보기",
    "Figures": "그림",
    "Tables": "표",
    "All runs": "모든 실행",
    "The figures are in English, because no font on this computer has Korean letters: install one, such as NanumGothic (on Debian and Ubuntu: `apt install fonts-nanum`), and start the app again.": "이 컴퓨터에 한글 글꼴이 없어 그림은 영어로 표시합니다. 나눔고딕 같은 글꼴을 설치하고(Debian, Ubuntu: `apt install fonts-nanum`) 앱을 다시 시작하세요.",
    # Figures
    "Accuracy against sparsity": "희소도에 따른 정확도",
    "What is saved against sparsity": "희소도에 따라 절약되는 것",
    "Accuracy against size": "크기에 따른 정확도",
    "What is left of each layer": "층마다 남은 것",
    "Share of the weights left": "남은 가중치의 비율",
    "Synthetic data: pictures drawn by the program": "합성 데이터: 프로그램이 그린 이미지",
    "Drawing…": "그리는 중…",
}
