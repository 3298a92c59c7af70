"""Pages about models, detectors and rows."""

from isthmus.report.blocks import Section as Section
from isthmus.report.blocks import Table as Table
from isthmus.report.blocks import number_text as number_text
from isthmus.report.facts import Facts as Facts
from isthmus.report.facts import detector_facts as detector_facts
from isthmus.report.facts import threshold_rule as threshold_rule
from isthmus.report.measurements import corrupt_rows as corrupt_rows
from isthmus.report.measurements import used_columns as used_columns
from isthmus.report.model_sections import choose_examples as choose_examples
from isthmus.report.model_sections import width_section as width_section
from isthmus.report.pages import template_source as template_source
from isthmus.report.pages import templates as templates
from isthmus.report.report import ENDINGS as ENDINGS
from isthmus.report.report import Report as Report
from isthmus.report.text_sections import search_section as search_section
