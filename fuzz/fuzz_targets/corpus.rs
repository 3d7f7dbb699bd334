//! Writes the examples of every reader to `corpus/NAME/`, to start from, and prints the names.

fn main() -> std::io::Result<()> {
    for reader in es_train::readers::READERS {
        let directory = std::path::Path::new("corpus").join(reader.name);
        std::fs::create_dir_all(&directory)?;
        for (number, example) in (reader.examples)().iter().enumerate() {
            std::fs::write(directory.join(format!("example{number}")), example)?;
        }
        println!("{}", reader.name);
    }
    Ok(())
}
