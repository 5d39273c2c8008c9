// All words of the page in English and Chinese. A key that is missing is a type error.
export type Language = "en" | "zh";

export const WORDS = {
  map: ["Map", "地图"],
  stations: ["Stations", "站点"],
  sources: ["Water sources", "水源"],
  alerts: ["Alerts", "预警"],
  plan: ["Work plan", "工作计划"],
  studies: ["Studies", "研究"],
  skip: ["Skip to the content", "跳到正文"],
  signIn: ["Sign in", "登录"],
  signOut: ["Sign out", "退出"],
  name: ["Name", "姓名"],
  password: ["Password", "密码"],
  signInBy: ["Sign in with", "登录方式："],
  refused_away: ["The service that signs people in does not answer. Try again later.", "身份服务无响应，请稍后再试。"],
  refused_role: ["Your account has no role here. Ask whoever keeps the accounts.", "您的账户在此没有角色，请联系账户管理员。"],
  refused_often: ["Too many tries to sign in. Wait a minute.", "登录尝试过于频繁，请等一分钟。"],
  refused_failed: ["Signing in has failed. Try again.", "登录失败，请重试。"],
  cancel: ["Cancel", "取消"],
  close: ["Close", "关闭"],
  theme: ["Dark or light", "深色或浅色"],
  lookingOnly: ["Looking without an account", "未登录，仅浏览"],
  role_viewer: ["viewer", "访客"],
  role_ranger: ["ranger", "护林员"],
  role_editor: ["editor", "编辑"],
  role_admin: ["administrator", "管理员"],
  loading: ["Loading …", "加载中…"],
  study: ["Study", "研究"],
  layer: ["Layer", "图层"],
  layers: ["Layers", "图层"],
  compareWith: ["Compare with", "对比图层"],
  none: ["none", "无"],
  opacity: ["Opacity", "不透明度"],
  swipe: ["Divide between the two layers", "两图层分界"],
  legend: ["Legend", "图例"],
  paleNotSignificant: ["pale: not significant", "浅色：不显著"],
  noValue: ["no value", "无数值"],
  below: ["below", "低于"],
  above: ["above", "高于"],
  day: ["Day", "日期"],
  play: ["Play", "播放"],
  pause: ["Pause", "暂停"],
  earlier: ["One day earlier", "前一天"],
  later: ["One day later", "后一天"],
  mapLabel: [
    "Map. Arrow keys move the cell cursor, Enter opens the cell, plus and minus zoom.",
    "地图。方向键移动格点，回车查看，加减号缩放。",
  ],
  zoomIn: ["Zoom in", "放大"],
  zoomOut: ["Zoom out", "缩小"],
  wholeArea: ["Whole area", "全区"],
  drawArea: ["Draw an area", "绘制区域"],
  drawing: [
    "Click the corners, or move with the arrow keys and press Space; double-click or Enter ends, Escape cancels.",
    "点击各顶点，或用方向键移动并按空格；双击或回车结束，Esc 取消。",
  ],
  chooseByNumbers: ["Choose by numbers", "按数字选择"],
  row: ["row", "行"],
  column: ["column", "列"],
  to: ["to", "至"],
  show: ["Show", "显示"],
  showStations: ["Stations", "站点"],
  showPlan: ["Units of the work plan", "计划单元"],
  place: ["This place", "此处"],
  clickACell: [
    "Click a cell of the map, or move to it with the arrow keys and press Enter, to see its soil water over time and what drives it.",
    "点击地图格点，或用方向键移动并按回车，查看土壤水分过程及其驱动因子。",
  ],
  cells: ["cells", "格点"],
  cell: ["Cell", "格点"],
  explained: ["What drives it", "驱动说明"],
  usualBand: ["usual (10th–90th percentile)", "常年范围（10–90 百分位）"],
  usualMiddle: ["median", "中位数"],
  value: ["value", "数值"],
  valueHead: ["Value", "数值"],
  seriesCsv: ["Series as CSV", "序列 CSV"],
  shareLink: ["Copy link", "复制链接"],
  copied: ["Copied", "已复制"],
  source: ["from", "来源"],
  nothingHere: ["Nothing to show yet", "暂无内容"],
  noStudies: [
    "No study is served. Run one and start the service with it:",
    "未加载任何研究。请先运行研究并随服务启动：",
  ],
  noStations: [
    "No station has sent anything yet. How to send observations stands under",
    "尚无站点数据。发送方法见",
  ],
  docs: ["How to use the service", "服务说明"],
  problem: ["This could not be shown", "无法显示"],
  tryAgain: ["Try again", "重试"],
  lost: [
    "The service does not answer; what you see is the last that came. Trying again …",
    "服务无响应，显示的是最后收到的数据，正在重试…",
  ],
  needAccount: ["Sign in to see this.", "请登录后查看。"],
  needRanger: ["Sign in as a ranger to act on alerts.", "以护林员登录后可处理预警。"],
  needEditor: ["Sign in as an editor to decide.", "以编辑登录后可审批。"],
  health: ["Health", "状态"],
  health_good: ["well", "正常"],
  health_doubt: ["doubtful values", "数据存疑"],
  health_silent: ["silent", "无信号"],
  health_none: ["nothing yet", "暂无数据"],
  latest: ["Latest", "最新"],
  time: ["Time (UTC)", "时间（UTC）"],
  quality: ["Quality", "质量"],
  observed: ["Observed", "观测量"],
  lastDays: ["Last days", "最近天数"],
  soilMoisture: ["Soil moisture", "土壤水分"],
  precipitation: ["Precipitation", "降水"],
  frozenShade: ["shaded: soil frozen", "阴影：土壤冻结"],
  doubtDots: ["hollow: doubtful", "空心：存疑"],
  threshold: ["alert threshold", "预警阈值"],
  csv: ["CSV", "CSV"],
  daysShort: ["d", "天"],
  forecastCsv: ["Forecast as CSV", "预测 CSV"],
  live: ["live", "实时"],
  inbox: ["Inbox", "收件箱"],
  openOnly: ["Open", "未解除"],
  all: ["All", "全部"],
  state: ["State", "状态"],
  state_firing: ["firing", "触发中"],
  state_acknowledged: ["seen to", "已确认"],
  state_resolved: ["resolved", "已解除"],
  raised: ["Raised", "触发时间"],
  resolvedAt: ["Resolved", "解除时间"],
  seenBy: ["seen to by", "确认人"],
  severity: ["Severity", "严重程度"],
  severity_Extreme: ["extreme", "极重"],
  severity_Severe: ["severe", "重"],
  severity_Moderate: ["moderate", "中"],
  severity_Minor: ["minor", "轻"],
  acknowledge: ["I see to it", "确认处理"],
  silence: ["Silence …", "静默…"],
  silenceIt: ["Silence", "静默"],
  reason: ["Reason", "原因"],
  hours: ["Hours", "小时"],
  capFile: ["CAP file", "CAP 文件"],
  evidence: ["Evidence", "证据"],
  noAlerts: ["No open alert.", "无未解除预警。"],
  silences: ["Silences", "静默规则"],
  noSilences: ["Nothing is silenced.", "无静默。"],
  until: ["until", "至"],
  rules: ["Rules", "规则"],
  noRules: [
    "No rules are loaded. Start the service with --rules alerts.toml.",
    "未加载规则。启动服务时加 --rules alerts.toml。",
  ],
  dryRun: ["What would it have sent?", "试运行"],
  messages: ["messages", "条消息"],
  kind_raised: ["raised", "触发"],
  kind_resolved: ["resolved", "解除"],
  kind_nodata: ["no data", "无数据"],
  kind_data_back: ["data are back", "数据恢复"],
  biplot: ["δ¹⁸O and δ²H of the samples", "样品的 δ¹⁸O 与 δ²H"],
  lmwl: ["local meteoric water line", "当地大气降水线"],
  lel: ["evaporation line", "蒸发线"],
  polygonSources: ["means of the sources", "水源均值"],
  fractions: ["Fractions of the sources", "水源比例"],
  groupBy: ["By", "分组"],
  by_all: ["period", "时段"],
  by_altitude_band: ["altitude", "海拔"],
  by_vegetation: ["vegetation", "植被"],
  by_aspect_sector: ["aspect", "坡向"],
  by_site: ["site", "采样点"],
  by_station: ["station", "站点"],
  by_layer: ["depth", "深度"],
  by_month: ["month", "月份"],
  interval: ["median and 95 % interval", "中位数与 95% 区间"],
  samples: ["samples", "个样品"],
  periodWord: ["Period", "时段"],
  group: ["Group", "组"],
  run: ["Run", "运行"],
  report: ["Report", "报告"],
  openReport: ["Open the report", "打开报告"],
  reportOwnTab: ["in a tab of its own", "新标签页"],
  noReport: ["no report drawn", "无报告"],
  steps: ["Steps", "步骤"],
  seconds: ["s", "秒"],
  runningNow: ["running", "运行中"],
  calendarOfUnits: ["The work of this year, by unit", "本年度各单元作业"],
  calendarByBand: ["When to work, by altitude", "各海拔带作业时间"],
  seasonStarts: ["season starts", "生长季始于"],
  startRange: ["start of the season, from an early to a late year", "生长季开始，从早年到晚年"],
  tooShort: ["the window is shorter than the work takes", "时间窗短于作业所需"],
  extrapolated: ["extrapolated", "外推"],
  aspect_north: ["north-facing", "阴坡"],
  aspect_south: ["south-facing", "阳坡"],
  aspect_side: ["east- or west-facing", "半阴半阳坡"],
  showPies: ["Where the soil water came from", "土壤水来源"],
  selected: ["selected", "已选"],
  dragToSelect: ["Drag over the samples to select some; a row of the table selects its own.", "在图上拖动可框选样品；点击表格行可选中该组样品。"],
  clearSelection: ["Clear the selection", "清除选择"],
  findings: ["Findings on the samples", "样品审核发现"],
  elevationRange: ["elevation", "海拔"],
  summaryOf: ["In numbers", "主要数值"],
  sourceOf: ["Source", "依据"],
  role_soil_moisture: ["soil moisture", "土壤水分"],
  role_soil_temperature: ["soil temperature", "土壤温度"],
  role_air_temperature: ["air temperature", "气温"],
  role_temperature: ["air temperature", "气温"],
  role_precipitation: ["precipitation", "降水"],
  role_battery_voltage: ["battery", "电池电压"],
  role_relative_humidity: ["relative humidity", "相对湿度"],
  quality_good: ["good", "良好"],
  quality_state: ["frozen or thawing", "冻结或融化"],
  quality_doubt: ["doubtful", "存疑"],
  quality_silent: ["silent", "无信号"],
  quality_unchecked: ["unchecked", "未检查"],
  quality_none: ["no value yet", "暂无数值"],
  rule: ["Rule", "规则"],
  station: ["Station", "站点"],
  season_any: ["any time", "不限"],
  season_winter: ["winter", "冬季"],
  season_growing_season: ["growing season", "生长季"],
  season_start_of_season: ["start of season", "生长季初"],
  season_before_the_start_of_season: ["before the start of season", "生长季开始前"],
  season_before_the_rains: ["before the rains", "雨季前"],
  years: ["y", "年"],
  drySpell: ["10 days or more below it", "连续 10 天以上低于该范围"],
  forecast: ["Forecast", "预测"],
  forecastWater: ["Root-zone water", "根区水分"],
  forecastCover: ["Cover", "盖度"],
  forecastMedian: ["median of the forecast", "预测中位数"],
  observedThen: ["observed", "实测"],
  forecastFrom: ["From", "起报"],
  forecastKey: ["Bands: 50 % and 90 % of what the weather of other years would bring.", "色带：以往年份天气驱动下的 50% 与 90% 区间。"],
  forecastSkill: ["Better than the usual with 95 % certainty at leads:", "显著优于气候平均的预见期数："],
  forecastNoSkill: ["Not surely better than the usual at any lead.", "各预见期均未显著优于气候平均。"],
  makeUnit: ["Make this a management unit", "设为管理单元"],
  addUnit: ["Add the unit", "添加单元"],
  unitAdded: ["The unit has been added; run the study again to plan for it.", "单元已添加；重新运行研究即可纳入计划。"],
  needEditorForUnit: ["Sign in as an editor to make this area a management unit.", "以编辑身份登录后可将此区域设为管理单元。"],
  gradeComputed: ["as the study computes it", "由研究计算"],
  grade_none: ["none", "无退化"],
  grade_light: ["light", "轻度"],
  grade_moderate: ["moderate", "中度"],
  grade_heavy: ["heavy", "重度"],
  grade_severe: ["severe", "极重度"],
  startRun: ["Run this study", "运行此研究"],
  runAgain: ["Run again", "重新运行"],
  stopRun: ["Stop the run", "停止运行"],
  runFailed: ["The run stopped with an error", "运行出错停止"],
  needEditorToRun: ["This study has not been run. Sign in as an editor to run it.", "此研究尚未运行。请以编辑身份登录后运行。"],
  computing: ["The study is being computed. Its maps appear here as they are finished.", "研究正在计算，完成的图层会陆续出现在这里。"],
  newSamples: ["New sample table …", "上传样品表…"],
  checkingSamples: ["The study is checked with the new table …", "正在用新表检查研究…"],
  samplesTaken: ["The table has been exchanged; run the study again to use it", "样品表已更换；请重新运行研究"],
  step_grids: ["grids", "栅格对齐"],
  step_downscaling: ["downscaling", "降尺度"],
  step_validation: ["validation", "站点检验"],
  step_variation: ["variation", "时空变化"],
  step_correlation: ["correlation", "相关分析"],
  step_detector: ["detector", "地理探测器"],
  step_vegetation: ["vegetation", "植被"],
  step_warning: ["warning", "预警"],
  step_samples: ["water sources", "水源解析"],
  step_restoration: ["work plan", "恢复计划"],
  step_report: ["report", "报告"],
  compareTwo: ["Compare two runs", "比较两次运行"],
  difference: ["Difference", "差值"],
  quantity: ["Quantity", "指标"],
  layersWord: ["layers", "图层"],
  unit: ["Unit", "单元"],
  units: ["Units", "单元"],
  grade: ["Grade", "等级"],
  measure: ["Measure", "措施"],
  window: ["Window", "时间窗"],
  water: ["Water check", "水分校核"],
  why: ["Reasons", "理由"],
  decide: ["Decide", "审批"],
  approve: ["Approve", "批准"],
  decline: ["Decline", "否决"],
  propose: ["Propose", "提交"],
  done: ["Done", "完成"],
  comment: ["Comment", "意见"],
  history: ["History", "历史"],
  print: ["Print", "打印"],
  calendar: ["Calendar", "日历"],
  damaged: ["This result is cut or damaged. Wait until its run has finished, or run the study again.", "该结果不完整或已损坏。请等待运行结束，或重新运行该研究。"],
  neverRun: ["This study has not been run. Run it, and its maps appear here:", "此研究尚未运行。运行后图层会出现在这里："],
  noIsotopes: [
    "This study has no isotope samples. Give its study file a table [samples] with the path of your samples, and run it again.",
    "本研究没有同位素样品。请在研究文件中加入 [samples] 及样品表路径，然后重新运行。",
  ],
  away: ["The service does not answer. Trying again …", "服务无响应，正在重试…"],
  ownFault: ["The service has failed at this; its log says why.", "服务处理此请求时出错，原因见服务日志。"],
  noPlan: [
    "No study that is served has a work plan. Give a study file a table [restoration] with your units, and run it.",
    "所加载的研究没有工作计划。请在研究文件中加入 [restoration] 并运行。",
  ],
  deadline: ["Finish by", "截止"],
  opens: ["From", "起始"],
  season: ["Season", "季节"],
  elevationBand: ["Elevation", "海拔"],
  onMap: ["On the map", "在地图上"],
  fieldVisit: ["A field visit must come first.", "须先实地核查。"],
  plan_draft: ["draft", "草稿"],
  plan_proposed: ["proposed", "已提交"],
  plan_approved: ["approved", "已批准"],
  plan_declined: ["declined", "已否决"],
  plan_done: ["done", "已完成"],
  plan_evaluated: ["evaluated", "已评估"],
  depth: ["Depth", "深度"],
  cautions: ["Cautions", "注意"],
} as const satisfies Record<string, readonly [string, string]>;

export type Word = keyof typeof WORDS;

export const say = (language: Language, word: Word): string =>
  WORDS[word][language === "zh" ? 1 : 0];

export const isWord = (word: string): word is Word => word in WORDS;

/** Words that are made from a value of the service; the value itself where there are none. */
export const sayValue = (language: Language, prefix: string, value: string): string => {
  const word = `${prefix}_${value}`;
  return isWord(word) ? say(language, word) : value;
};

export const pick = (language: Language, both: readonly string[]): string =>
  both[language === "zh" ? 1 : 0] ?? both[0] ?? "";

/** A number with a true minus; far below one as a power of ten. */
export const number = (language: Language, value: number, digits = 3): string => {
  const form = new Intl.NumberFormat(language === "zh" ? "zh-CN" : "en-GB", { maximumSignificantDigits: digits });
  const power = value && Math.abs(value) < 1e-4 ? Math.floor(Math.log10(Math.abs(value))) : 0;
  const text = form.format(power ? value / 10 ** power : value).replace("-", "−");
  return power ? `${text} × 10${[...String(power)].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[+sign] ?? "⁻").join("")}` : text;
};

/** A latitude or longitude, the letter of its half of the globe in place of a sign. */
export const degrees = (value: number, positive: "N" | "E", negative: "S" | "W"): string =>
  `${Math.abs(value).toFixed(2)}° ${value < 0 ? negative : positive}`;

/** A series by its quantity and depth; as it calls itself where its quantity has no word here. */
export const seriesName = (language: Language, one: { name: string; role: string; depth: number | null }): string => {
  if (!isWord(`role_${one.role}`)) return one.name.replaceAll("_", " ");
  return `${say(language, `role_${one.role}` as Word)}${one.depth === null ? "" : `${language === "zh" ? "，" : ", "}${+(one.depth * 100).toFixed(1)} cm`}`;
};

export const qualityWord = (language: Language, one: { kind: string; brief: string }): string =>
  language === "en" || !isWord(`quality_${one.kind}`) ? one.brief : say(language, `quality_${one.kind}` as Word);

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/** A period in words: months are translated, whatever else stays as it is. */
export const monthWord = (language: Language, period: string): string => {
  const at = MONTHS.indexOf(period);
  return language === "zh" && at >= 0 ? `${at + 1} 月` : period;
};

/** A day of the year, which may lie in the year before, as a date without its year. */
export const dayText = (language: Language, year: number, day: number): string =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", { day: "numeric", month: "short", timeZone: "UTC" }).format(
    Date.UTC(year, 0, Math.round(day)),
  );

/** A moment in UTC, as people of the language write it. */
export const moment = (language: Language, iso: string): string =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    dateStyle: "medium",
    timeStyle: "short",
    hourCycle: "h23",
    timeZone: "UTC",
  }).format(new Date(/Z|[+]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`));

/** Seconds as minutes and seconds. */
export const clock = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export const date = (language: Language, iso: string): string =>
  new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    dateStyle: "medium",
    timeZone: "UTC",
  }).format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));

const UNITS: Record<string, string> = {
  "m3 m-3": "m³ m⁻³",
  "m3 m-3 year-1": "m³ m⁻³ a⁻¹",
  degC: "°C",
  degree: "°",
  "1": "",
};
const RAISED: Record<string, string> = { "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴" };
/** A unit as it is printed: "kg m-2" has its power raised. */
export const unit = (text: string): string =>
  UNITS[text] ?? text.replace(/(?<=[A-Za-z])-?[0-4]\b/g, (power) => [...power].map((one) => RAISED[one]).join(""));
