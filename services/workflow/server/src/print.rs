//! Notices as files: a page of A4 for browsers, and a document for word processors. Both show what the
//! core says, and escape it; text needs nothing.

use std::io::Cursor;

use chassis::error::Error;
use docx_rs::{
    AlignmentType, Docx, LineSpacing, PageMargin, Paragraph, Run, RunFonts, SpecialIndentType,
    Table, TableCell, TableRow, WidthType,
};
use maud::{DOCTYPE, PreEscaped, html};
use workflow_core::PublicNotice;

pub const TEXT: &str = "text/plain; charset=utf-8";
pub const HTML: &str = "text/html; charset=utf-8";
pub const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// The look of an official notice: A4, Song and Fangsong, a place for the seal. Nothing is fetched.
const STYLE: &str = "
@page { size: A4; margin: 22mm 18mm; }
body { margin: 0 auto; max-width: 174mm; color: #000; line-height: 1.75; font-size: 12pt;
  font-family: FangSong, STFangsong, \"Noto Serif CJK SC\", SimSun, serif; }
h1 { margin: 0 0 10mm; text-align: center; font-size: 20pt; line-height: 1.4;
  font-family: SimSun, STSong, \"Noto Serif CJK SC\", serif; }
p { margin: 0; text-indent: 2em; text-align: justify; }
table { margin: 5mm 0; width: 100%; border-collapse: collapse; font-size: 10.5pt; line-height: 1.4; }
th, td { padding: 1.5mm 1.5mm; border: 0.3mm solid #000; text-align: center; }
th { font-weight: bold; white-space: nowrap; }
td.name { white-space: nowrap; }
td.code { white-space: nowrap; font-family: Consolas, \"DejaVu Sans Mono\", monospace; }
@media screen { body { padding: 15mm 0; } }
thead { display: table-header-group; }
tr, footer { break-inside: avoid; }
footer { margin: 14mm 8mm 0 0; text-align: right; }
footer p { text-indent: 0; text-align: right; }
.seal { display: inline-block; margin: 0 6mm 3mm 0; width: 40mm; height: 40mm; line-height: 40mm;
  border: 0.3mm dashed #999; border-radius: 50%; color: #999; text-align: center; }
";

/// The notice as a page.
pub fn html(notice: &PublicNotice) -> String {
    let [committee, day] = notice.signature();
    let page = html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                title { (notice.title()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (notice.title()) }
                p { (notice.introduction()) }
                table {
                    thead { tr { @for column in notice.columns() { th { (column) } } } }
                    tbody {
                        @for row in notice.rows() {
                            tr {
                                td { (row[0]) }
                                td.name { (row[1]) }
                                @for cell in &row[2..6] { td { (cell) } }
                                td.code { (row[6]) }
                            }
                        }
                    }
                }
                @for paragraph in notice.paragraphs() { p { (paragraph) } }
                footer {
                    div.seal { "盖章处" }
                    p { (committee) }
                    p { (day) }
                }
            }
        }
    };
    page.into_string()
}

/// Twentieths of a point, the unit of documents: A4, and margins as on the page.
const PAGE: (u32, u32) = (11906, 16838);
const MARGIN_TOP: i32 = 1247;
const MARGIN_SIDE: i32 = 1020;
/// Widths of the columns; together the page between its margins.
const COLUMNS: [usize; 7] = [640, 1180, 1180, 1640, 1900, 1760, 1566];
/// Two characters of the text.
const INDENT: i32 = 480;

/// The notice as a document.
///
/// # Errors
/// The document cannot be packed.
pub fn docx(notice: &PublicNotice) -> Result<Vec<u8>, Error> {
    let fonts = RunFonts::new()
        .ascii("Times New Roman")
        .hi_ansi("Times New Roman")
        .east_asia("仿宋");
    let margin = PageMargin::new()
        .top(MARGIN_TOP)
        .bottom(MARGIN_TOP)
        .left(MARGIN_SIDE)
        .right(MARGIN_SIDE);
    let title = Run::new().add_text(notice.title()).size(40).bold();
    let title = Paragraph::new()
        .add_run(title.fonts(RunFonts::new().east_asia("宋体")))
        .align(AlignmentType::Center)
        .line_spacing(LineSpacing::new().after(400));
    let made = format!("{}T00:00:00Z", notice.printed);
    let mut document = Docx::new()
        .created_at(&made)
        .updated_at(&made)
        .default_fonts(fonts)
        .default_size(24)
        .page_size(PAGE.0, PAGE.1)
        .page_margin(margin)
        .add_paragraph(title)
        .add_paragraph(paragraph(notice.introduction()))
        .add_table(table(notice));
    for text in notice.paragraphs() {
        document = document.add_paragraph(paragraph(&text));
    }
    let [committee, day] = notice.signature();
    for text in ["", "（盖章处）", &committee, &day] {
        let right = Paragraph::new().add_run(Run::new().add_text(text));
        document = document.add_paragraph(right.align(AlignmentType::Right));
    }
    let mut packed = Cursor::new(Vec::new());
    let written = document.build().pack(&mut packed);
    written.map_err(|error| Error::Internal(error.into()))?;
    Ok(packed.into_inner())
}

fn paragraph(text: &str) -> Paragraph {
    Paragraph::new()
        .add_run(Run::new().add_text(text))
        .indent(None, Some(SpecialIndentType::FirstLine(INDENT)), None, None)
        .line_spacing(LineSpacing::new().line(420))
}

fn table(notice: &PublicNotice) -> Table {
    let head = notice.columns().map(str::to_owned);
    let rows = std::iter::once((head, true)).chain(notice.rows().map(|row| (row, false)));
    let rows = rows.map(|(cells, is_head)| {
        let cells = cells.into_iter().zip(COLUMNS);
        let cells = cells.map(|(text, width)| {
            let run = Run::new().add_text(text).size(21);
            let run = if is_head { run.bold() } else { run };
            let text = Paragraph::new().add_run(run).align(AlignmentType::Center);
            let cell = TableCell::new().add_paragraph(text);
            cell.width(width, WidthType::Dxa)
        });
        TableRow::new(cells.collect())
    });
    Table::new(rows.collect()).set_grid(COLUMNS.to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use kernel::{MaskedName, NoticeKind};
    use workflow_core::{Entry, Grounds, NoticeCode, PublicText};

    use super::*;

    fn notice() -> PublicNotice {
        let entry = |name: &str, group: &str| Entry {
            code: NoticeCode::of_bits(0x2_dead_beef_cafe),
            name: MaskedName::of(name),
            group: PublicText::of(group),
            category: PublicText::of("生活严重困难户"),
            grounds: Grounds::of_risks(&[kernel::RiskType::Illness]),
            days: 7,
            hangs: None,
        };
        PublicNotice {
            kind: NoticeKind::Identification,
            village: PublicText::of("上河村"),
            township: PublicText::of("青石乡"),
            entries: vec![
                entry("张大山", "1组"),
                entry("买买提·艾力", "<script>alert('&\"1</script>"),
            ],
            places: vec![PublicText::of("村委会公示栏")],
            answer_within: None,
            printed: "2026-03-02".parse().expect("a day"),
        }
    }

    #[test]
    fn pub6_a_page_shows_what_the_notice_says_and_runs_nothing() {
        let page = html(&notice());
        for shown in [
            "张*山",
            "买**·**",
            "刚性支出较大",
            "盖章处",
            "上河村村民委员会",
        ] {
            assert!(page.contains(shown), "{shown}\n{page}");
        }
        assert!(page.contains("&lt;script&gt;alert("), "{page}");
        for never in ["<script", "http:", "https:", "src=", "张大山", "艾力"] {
            assert!(!page.contains(never), "{never}\n{page}");
        }
    }

    #[test]
    fn pub6_a_document_opens_and_says_the_same() {
        let packed = docx(&notice()).expect("packed");
        let mut archive = zip::ZipArchive::new(Cursor::new(packed)).expect("a package");
        assert!(archive.by_name("[Content_Types].xml").is_ok());
        let mut text = String::new();
        let mut document = archive.by_name("word/document.xml").expect("a document");
        document.read_to_string(&mut text).expect("read");
        for row in notice().rows() {
            for cell in [&row[1], &row[4], &row[6]] {
                assert!(text.contains(cell.as_str()), "{cell}\n{text}");
            }
        }
        assert!(text.contains("&lt;script&gt;"), "{text}");
        assert!(
            !text.contains("张大山") && !text.contains("<script"),
            "{text}"
        );
    }
}
