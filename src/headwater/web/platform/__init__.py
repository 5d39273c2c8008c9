"""The platform in the browser: studies, stations, alerts and the work plan on one page."""
