//! Names of people who do not exist.

use kernel::Sex;
use rand::{RngExt, rngs::Xoshiro256PlusPlus};

const SURNAMES: [&str; 40] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林",
    "何", "郭", "马", "罗", "梁", "宋", "郑", "谢", "韩", "唐", "冯", "于", "董", "萧", "程", "曹",
    "袁", "邓", "许", "傅", "沈", "曾", "彭", "欧阳",
];
const MALE: [&str; 30] = [
    "伟", "强", "军", "勇", "明", "志", "国", "平", "文", "斌", "海", "波", "辉", "刚", "建", "林",
    "永", "健", "成", "德", "福", "贵", "宝", "根", "山", "松", "峰", "涛", "龙", "祥",
];
const FEMALE: [&str; 30] = [
    "芳", "娟", "敏", "静", "秀", "英", "丽", "霞", "燕", "玲", "桂", "兰", "凤", "梅", "红", "春",
    "菊", "珍", "雪", "琴", "云", "莲", "香", "月", "翠", "花", "巧", "慧", "萍", "爱",
];

pub fn surname(rng: &mut Xoshiro256PlusPlus) -> &'static str {
    // Squaring favours the beginning of the list, as in life.
    let share = rng.random::<f64>();
    SURNAMES[(share * share * SURNAMES.len() as f64) as usize]
}

pub fn given(rng: &mut Xoshiro256PlusPlus, sex: Sex) -> String {
    let list = match sex {
        Sex::Male => MALE,
        Sex::Female => FEMALE,
    };
    let mut pick = || list[rng.random_range(0..list.len())];
    let first = pick();
    // One name in four has a single character.
    if rng.random_ratio(1, 4) {
        first.to_owned()
    } else {
        format!("{first}{}", list[rng.random_range(0..list.len())])
    }
}
